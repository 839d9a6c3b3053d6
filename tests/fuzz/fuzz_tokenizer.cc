// A text that begins with '{' is read as a tokenizer.json; any other is what a person types, given
// to each kind of tokenizer.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "family/tokenizer/nfc.h"
#include "family/tokenizer/tiny_files.h"
#include "family/tokenizer/tokenizer.h"
#include "family/tokenizer/utf8.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// What holds for every tokenizer and every text.
void CheckText(const mcv::Tokenizer& tokenizer, std::string_view text) {
  const std::vector<int32_t> ids = tokenizer.EncodeText(text);
  mcv::Detokenizer stream(tokenizer);
  std::string streamed;
  for (const int32_t id : ids) {
    Require(id >= 0 && id < tokenizer.vocab_size() && !tokenizer.IsControl(id));
    streamed += stream.Push(id);
  }
  streamed += stream.Flush();
  Require(streamed == tokenizer.Decode(ids));
  Require(mcv::IsValidUtf8(streamed));
  for (const int32_t id : tokenizer.EncodeWithSpecials(text)) {
    Require(id >= 0 && id < tokenizer.vocab_size());
  }
}

std::unique_ptr<mcv::Tokenizer> TinyBpe(mcv::SplitRule rule) {
  nlohmann::json file = mcv::TinyBpeJson();
  file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = mcv::PublishedPattern(rule);
  if (rule == mcv::SplitRule::kQwen2) file["normalizer"] = {{"type", "NFC"}};
  return std::move(mcv::ParseTokenizerJson(file.dump(), "", "tiny").value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto llama = TinyBpe(mcv::SplitRule::kLlama3);
  static const auto qwen = TinyBpe(mcv::SplitRule::kQwen2);
  static const auto minicpm =
      std::move(mcv::ParseSentencePieceModel(mcv::TinySentencePieceModel(), "", "tiny").value());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!text.empty() && text[0] == '{') {
    const auto tokenizer = mcv::ParseTokenizerJson(text, "", "fuzz");
    if (tokenizer.ok()) CheckText(**tokenizer, "the he<unk> 12\n\xE4\xB8\xAD the<|eot_id|>");
    (void)mcv::ParseTokenizerJson("{}", text, "fuzz");
    return 0;
  }
  const std::string valid = mcv::ReplaceMalformedUtf8(text);
  for (const auto* tokenizer : {&llama, &qwen, &minicpm}) CheckText(**tokenizer, text);
  Require(llama->Decode(llama->EncodeText(text)) == valid);
  Require(qwen->Decode(qwen->EncodeText(text)) == mcv::ToNfc(valid));
  return 0;
}
