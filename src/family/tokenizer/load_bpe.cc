// Byte-level BPE from its two sources: tokenizer.json, and the metadata of a GGUF.
#include <algorithm>

#include "family/tokenizer/added_tokens.h"
#include "family/tokenizer/bpe_tokenizer.h"
#include "family/tokenizer/loaders.h"
#include "family/tokenizer/tokenizer_json.h"
#include "formats/printable.h"

namespace mcv {
namespace {

using nlohmann::json;

// The value at a path of keys, or null.
const json& At(const json& root, std::initializer_list<const char*> path) {
  static const json kNull;
  const json* at = &root;
  for (const char* key : path) {
    if (!at->is_object()) return kNull;
    const auto found = at->find(key);
    if (found == at->end()) return kNull;
    at = &*found;
  }
  return *at;
}

bool IsOff(const json& value) {
  return value.is_null() || value == false || value == 0 || value == "";
}

Status CheckModel(const json& rest, const std::string& name) {
  if (At(rest, {"model", "type"}) != "BPE") {
    return Unsupported(name + ": model.type is " + At(rest, {"model", "type"}).dump() +
                       "; only \"BPE\" is supported");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix", "byte_fallback",
                          "dropout", "fuse_unk"}) {
    if (IsOff(At(rest, {"model", key}))) continue;
    return Unsupported(name + ": model." + key + " is set; byte-level BPE does without");
  }
  return OkStatus();
}

// The pre-tokenizer must be one of the two published ones: its expression is recognised, never run.
Result<SplitRule> RecogniseSplit(const json& rest, const std::string& name) {
  const json& steps = At(rest, {"pre_tokenizer", "pretokenizers"});
  if (!steps.is_array() || steps.size() != 2 || At(steps[0], {"type"}) != "Split" ||
      At(steps[1], {"type"}) != "ByteLevel") {
    return Unsupported(name + ": pre_tokenizer: expected a Split followed by a ByteLevel");
  }
  if (At(steps[0], {"behavior"}) != "Isolated" || !IsOff(At(steps[0], {"invert"})) ||
      !IsOff(At(steps[1], {"add_prefix_space"})) || At(steps[1], {"use_regex"}) != false) {
    return Unsupported(name +
                       ": pre_tokenizer: expected behavior Isolated, not inverted, without "
                       "prefix space and without a second expression");
  }
  const json& pattern = At(steps[0], {"pattern", "Regex"});
  for (const SplitRule rule : {SplitRule::kLlama3, SplitRule::kQwen2}) {
    if (pattern == PublishedPattern(rule)) return rule;
  }
  return Unsupported(name + ": pre_tokenizer: the expression is neither Llama 3's nor Qwen2's");
}

Result<BpeRules> ReadRules(const json& rest, const std::string& name) {
  MCV_RETURN_IF_ERROR(CheckModel(rest, name));
  BpeRules rules;
  MCV_ASSIGN_OR_RETURN(rules.split, RecogniseSplit(rest, name));
  rules.ignore_merges = At(rest, {"model", "ignore_merges"}) == true;
  const json& normalizer = At(rest, {"normalizer"});
  rules.nfc = At(normalizer, {"type"}) == "NFC";
  if (!normalizer.is_null() && !rules.nfc) {
    return Unsupported(name + ": normalizer is " + normalizer.dump().substr(0, 96) +
                       "; only none and NFC are supported");
  }
  return rules;
}

Result<std::vector<AddedToken>> ReadAdded(const json& rest, const std::string& name) {
  std::vector<AddedToken> added;
  const json& list = At(rest, {"added_tokens"});
  if (!list.is_null() && !list.is_array()) {
    return Corrupt(name + ": added_tokens: expected an array, found " + list.type_name());
  }
  for (size_t i = 0; i < list.size(); ++i) {
    MCV_ASSIGN_OR_RETURN(
        AddedToken token,
        ReadAddedToken(list[i], std::nullopt, name + ": added_tokens entry " + std::to_string(i)));
    added.push_back(std::move(token));
  }
  return added;
}

// Ids without a token are few holes at most: the table of ids is as long as the largest one.
Result<int> CountIds(const TokenizerJson& file, const std::vector<AddedToken>& added,
                     const std::string& name) {
  int64_t largest = -1;
  for (const auto& entry : file.vocabulary) largest = std::max<int64_t>(largest, entry.id);
  for (const AddedToken& token : added) largest = std::max<int64_t>(largest, token.id);
  const int64_t named = static_cast<int64_t>(file.vocabulary.size() + added.size());
  if (largest >= 2 * named + 1024) {
    return Corrupt(name + ": the largest id is " + std::to_string(largest) + " but only " +
                   std::to_string(named) + " tokens are named");
  }
  return static_cast<int>(largest + 1);
}

std::optional<int32_t> DeclareIfNamed(const std::optional<std::string>& text,
                                      BpeAssembler* assembler) {
  return text ? assembler->Declare(*text) : std::nullopt;
}

// general.architecture decides where older files carry no usable tokenizer.ggml.pre.
Result<SplitRule> SplitOfGguf(const GgufFile& file) {
  const auto pre = file.GetString("tokenizer.ggml.pre");
  const std::string_view name = pre.ok() ? *pre : std::string_view("default");
  if (name == "llama-bpe" || name == "llama3") return SplitRule::kLlama3;
  if (name == "qwen2") return SplitRule::kQwen2;
  const auto arch = file.GetString("general.architecture");
  if (name == "default" && arch.ok() && *arch == "llama") return SplitRule::kLlama3;
  if (name == "default" && arch.ok() && *arch == "qwen2") return SplitRule::kQwen2;
  return Unsupported(file.name() + ": tokenizer.ggml.pre is " + Printable(name) +
                     "; supported are llama-bpe and qwen2");
}

Status AddGgufTokens(const GgufFile& file, std::span<const std::string_view> tokens,
                     BpeAssembler* assembler) {
  MCV_ASSIGN_OR_RETURN(const std::vector<TokenKind> kinds, ReadGgufKinds(file, tokens.size()));
  std::vector<AddedToken> added;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int32_t id = static_cast<int32_t>(i);
    switch (kinds[i]) {
      case TokenKind::kNormal:
        MCV_RETURN_IF_ERROR(assembler->AddToken(id, tokens[i]));
        break;
      case TokenKind::kUnused:
        break;
      default:
        // Flagged as padding but typed by people: an ordinary token, and known as a special text.
        if (IsPadTrap(tokens[i])) MCV_RETURN_IF_ERROR(assembler->AddToken(id, tokens[i]));
        added.push_back({id, std::string(tokens[i]), kinds[i] != TokenKind::kUserDefined});
    }
  }
  for (const AddedToken& token : added) MCV_RETURN_IF_ERROR(assembler->AddAdded(token));
  return OkStatus();
}

Status AddGgufMerges(const GgufFile& file, std::span<const std::string_view> merges,
                     BpeAssembler* assembler) {
  for (size_t i = 0; i < merges.size(); ++i) {
    const size_t blank = merges[i].find(' ');
    if (blank == merges[i].npos || blank != merges[i].rfind(' ')) {
      return Corrupt(file.name() + ": tokenizer.ggml.merges entry " + std::to_string(i) + " (" +
                     Printable(merges[i]) + "): expected two parts and a blank");
    }
    MCV_RETURN_IF_ERROR(
        assembler->AddMerge(merges[i].substr(0, blank), merges[i].substr(blank + 1)));
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> ParseTokenizerJson(std::string_view text,
                                                      std::string_view config_text,
                                                      const std::string& name) {
  MCV_ASSIGN_OR_RETURN(const TokenizerJson file, ReadTokenizerJson(text, name));
  MCV_ASSIGN_OR_RETURN(TokenizerConfig config,
                       ParseTokenizerConfig(config_text, "tokenizer_config.json beside " + name));
  MCV_ASSIGN_OR_RETURN(const BpeRules rules, ReadRules(file.rest, name));
  MCV_ASSIGN_OR_RETURN(std::vector<AddedToken> added, ReadAdded(file.rest, name));
  added = MergeAddedTokens(std::move(added), config.added);
  MCV_ASSIGN_OR_RETURN(const int count, CountIds(file, added, name));

  BpeAssembler assembler(name, count, file.merges.size());
  for (const auto& entry : file.vocabulary) {
    MCV_RETURN_IF_ERROR(assembler.AddToken(entry.id, file.text(entry)));
  }
  for (const AddedToken& token : added) MCV_RETURN_IF_ERROR(assembler.AddAdded(token));
  TokenizerSetup setup;
  setup.bos_id = DeclareIfNamed(config.bos, &assembler);
  setup.eos_id = DeclareIfNamed(config.eos, &assembler);
  DeclareIfNamed(config.unk, &assembler);
  setup.chat_template = std::move(config.chat_template);
  for (const auto& merge : file.merges) {
    MCV_RETURN_IF_ERROR(assembler.AddMerge(file.left(merge), file.right(merge)));
  }
  return assembler.Finish(std::move(setup), rules);
}

Result<std::unique_ptr<Tokenizer>> LoadBpeFromGguf(const GgufFile& file) {
  MCV_ASSIGN_OR_RETURN(const auto tokens, ReadGgufTokens(file));
  MCV_ASSIGN_OR_RETURN(const auto merges, file.GetStrings("tokenizer.ggml.merges"));
  BpeRules rules;
  MCV_ASSIGN_OR_RETURN(rules.split, SplitOfGguf(file));
  // A GGUF carries neither flag; they belong to the two published tokenizers.
  rules.ignore_merges = rules.split == SplitRule::kLlama3;
  rules.nfc = rules.split == SplitRule::kQwen2;

  BpeAssembler assembler(file.name(), static_cast<int>(tokens.size()), merges.size());
  MCV_RETURN_IF_ERROR(AddGgufTokens(file, tokens, &assembler));
  TokenizerSetup setup;
  const auto declare = [&](const char* key, std::optional<int32_t>* id) {
    MCV_RETURN_IF_ERROR(ReadGgufId(file, key, tokens.size(), id));
    if (*id) *id = assembler.Declare(tokens[**id]);
    return OkStatus();
  };
  std::optional<int32_t> unused;
  MCV_RETURN_IF_ERROR(declare("tokenizer.ggml.bos_token_id", &setup.bos_id));
  MCV_RETURN_IF_ERROR(declare("tokenizer.ggml.eos_token_id", &setup.eos_id));
  MCV_RETURN_IF_ERROR(declare("tokenizer.ggml.unknown_token_id", &unused));
  const auto chat_template = file.GetString("tokenizer.chat_template");
  if (chat_template.ok()) setup.chat_template = std::string(*chat_template);
  MCV_RETURN_IF_ERROR(AddGgufMerges(file, merges, &assembler));
  return assembler.Finish(std::move(setup), rules);
}

}  // namespace mcv
