// Building the vocabulary. Order of ids: the 256 bytes as GPT-2 orders them, words, special tokens.
#include "trainer/data/bpe_builder.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file_writer.h"
#include "base/random.h"
#include "family/tokenizer/byte_alphabet.h"
#include "family/tokenizer/pre_tokenizer.h"
#include "trainer/data/alphabet.h"
#include "trainer/data/generator_parts.h"
#include "trainer/data/questions.h"

namespace mcv::trainer {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kCorpusScenes = 30000;

// MiniCPM-Llama3-V 2.5's, in the order of its ids.
constexpr const char* kSpecialTokens[] = {"<|begin_of_text|>",
                                          "<|end_of_text|>",
                                          "<unk>",
                                          "<|start_header_id|>",
                                          "<|end_header_id|>",
                                          "<|eot_id|>",
                                          "<image>",
                                          "</image>",
                                          "<ref>",
                                          "</ref>",
                                          "<box>",
                                          "</box>",
                                          "<quad>",
                                          "</quad>",
                                          "<point>",
                                          "</point>",
                                          "<slice>",
                                          "</slice>"};
constexpr int kRoundTo = 64;  // reserved tokens fill up to a multiple

// The template always ends with the assistant's header, as 2.5's does.
constexpr char kChatTemplate[] =
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}";

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A word is worth a token behind a space, or capitalised at the start of a question or an answer.
class WordCollector {
 public:
  explicit WordCollector(PreTokenizer cutter) : cutter_(std::move(cutter)) {}

  void Add(const std::string& text) {
    ends_.clear();
    cutter_.Split(text, &ends_);
    size_t begin = 0;
    for (const size_t end : ends_) {
      const std::string piece = text.substr(begin, end - begin);
      begin = end;
      if (piece.size() < 2 || !IsLetter(piece[1])) continue;
      if (piece[0] == ' ' || (piece[0] >= 'A' && piece[0] <= 'Z')) words_.insert(piece);
    }
  }
  void AddTurn(const Turn& turn) {
    Add(turn.question);
    if (turn.type != QuestionType::kRead) Add(turn.answer);
  }
  std::set<std::string> Finish() {
    for (const char* frame : {"user", "assistant", "system"}) words_.insert(frame);
    return std::move(words_);
  }

 private:
  PreTokenizer cutter_;
  std::vector<size_t> ends_;
  std::set<std::string> words_;
};

Result<std::set<std::string>> WordsOfTheGenerator(const DataAssets& assets) {
  MCV_ASSIGN_OR_RETURN(PreTokenizer cutter, PreTokenizer::Create(SplitRule::kLlama3));
  WordCollector words(std::move(cutter));
  const DataAssets::Parts& parts = assets.parts();
  for (int i = 0; i < parts.things.size(); ++i) {
    words.Add("A " + parts.things[i].name);
    words.Add("Two " + parts.things[i].plural);
  }
  for (int i = 0; i < kCorpusScenes; ++i) {
    RandomStream random(/*seed=*/20240501, static_cast<uint64_t>(i));
    const ScenePlan plan = PlanScene(parts.things, parts.sprites, /*held_out=*/false, PatchGrid{},
                                     random.NextDouble(), random);
    for (const Turn& turn : AskAboutScene(plan, parts.things, 6, 8, random)) words.AddTurn(turn);
    for (const Turn& turn : AskAboutText("x", i % 2 == 0, random)) words.AddTurn(turn);
  }
  return words.Finish();
}

// The spelling of a token in tokenizer files.
std::string Spell(const std::string& bytes) {
  std::string spelled;
  for (char c : bytes) spelled += ByteAlphabetCharacter(static_cast<uint8_t>(c));
  return spelled;
}

// As in GPT-2 and Llama 3: by the character that a byte is spelled with.
std::vector<std::string> BytesInVocabularyOrder() {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  std::sort(bytes.begin(), bytes.end(),
            [](const std::string& a, const std::string& b) { return Spell(a) < Spell(b); });
  return bytes;
}

Json AddedToken(const std::string& text) {
  return {{"content", text}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false},  {"special", true}};
}

Json MakeTokenizerJson(const std::vector<std::string>& pieces,
                       const std::vector<std::string>& specials) {
  Json vocabulary = Json::object();
  for (const std::string& piece : pieces) {
    vocabulary[Spell(piece)] = vocabulary.size();
  }
  Json added = Json::array();
  for (const std::string& special : specials) {
    Json token = {{"id", pieces.size() + added.size()}};
    token.update(AddedToken(special));
    added.push_back(token);
  }
  const std::string newline = Spell("\n");
  Json byte_level = {{"type", "ByteLevel"},
                     {"add_prefix_space", false},
                     {"trim_offsets", true},
                     {"use_regex", false}};
  Json split = {{"type", "Split"},
                {"pattern", {{"Regex", PublishedPattern(SplitRule::kLlama3)}}},
                {"behavior", "Isolated"},
                {"invert", false}};
  Json decoder = byte_level;
  decoder["use_regex"] = true;
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}}},
          {"post_processor", nullptr},
          {"decoder", decoder},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", true},
            {"vocab", vocabulary},
            {"merges", Json::array({newline + " " + newline})}}}};
}

Json MakeConfigJson(size_t first_special, const std::vector<std::string>& specials) {
  Json decoder = Json::object();
  for (size_t i = 0; i < specials.size(); ++i) {
    decoder[std::to_string(first_special + i)] = AddedToken(specials[i]);
  }
  return {{"added_tokens_decoder", decoder}, {"bos_token", "<|begin_of_text|>"},
          {"eos_token", "<|end_of_text|>"},  {"unk_token", "<unk>"},
          {"chat_template", kChatTemplate},  {"clean_up_tokenization_spaces", true},
          {"model_max_length", 1024},        {"tokenizer_class", "PreTrainedTokenizerFast"}};
}

Status WriteJson(const std::string& path, const Json& json) {
  return WriteFile(path, json.dump(1, ' ', /*ensure_ascii=*/false) + "\n");
}

}  // namespace

Status BuildNanoTokenizer(const DataAssets& assets, const std::string& folder) {
  MCV_ASSIGN_OR_RETURN(const auto words, WordsOfTheGenerator(assets));
  std::vector<std::string> pieces = BytesInVocabularyOrder();
  pieces.push_back("\n\n");
  pieces.insert(pieces.end(), words.begin(), words.end());
  std::vector<std::string> specials(std::begin(kSpecialTokens), std::end(kSpecialTokens));
  for (int reserved = 0; (pieces.size() + specials.size()) % kRoundTo != 0; ++reserved) {
    specials.push_back("<|reserved_special_token_" + std::to_string(reserved) + "|>");
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return IoError(folder + ": cannot create the folder: " + error.message());
  MCV_RETURN_IF_ERROR(WriteJson(folder + "/tokenizer.json", MakeTokenizerJson(pieces, specials)));
  return WriteJson(folder + "/tokenizer_config.json", MakeConfigJson(pieces.size(), specials));
}

}  // namespace mcv::trainer
