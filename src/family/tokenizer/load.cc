// Which loader a folder or a GGUF needs, and the reading of keys that all GGUF tokenizers share.
#include <filesystem>

#include "base/mapped_file.h"
#include "family/tokenizer/loaders.h"
#include "formats/lfs_pointer.h"
#include "formats/printable.h"

namespace mcv {

namespace {

Result<std::string> ReadTokenizerFile(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxTokenizerFileBytes));
  MCV_RETURN_IF_ERROR(CheckNotLfsPointer(std::as_bytes(std::span(text)), path, "tokenizer's file"));
  return text;
}

}  // namespace

Result<std::span<const std::string_view>> ReadGgufTokens(const GgufFile& file) {
  MCV_ASSIGN_OR_RETURN(const auto tokens, file.GetStrings("tokenizer.ggml.tokens"));
  if (tokens.empty() || tokens.size() > static_cast<size_t>(kMaxVocabulary)) {
    return Corrupt(file.name() + ": tokenizer.ggml.tokens has " + std::to_string(tokens.size()) +
                   " entries; expected 1 to " + std::to_string(kMaxVocabulary));
  }
  return tokens;
}

Result<std::vector<TokenKind>> ReadGgufKinds(const GgufFile& file, size_t num_tokens) {
  MCV_ASSIGN_OR_RETURN(const auto types, file.GetInts("tokenizer.ggml.token_type"));
  if (types.size() != num_tokens) {
    return Corrupt(file.name() + ": tokenizer.ggml.token_type has " + std::to_string(types.size()) +
                   " entries for " + std::to_string(num_tokens) + " tokens");
  }
  std::vector<TokenKind> kinds(num_tokens);
  for (size_t i = 0; i < num_tokens; ++i) {
    if (types[i] < 1 || types[i] > 6) {
      return Corrupt(file.name() + ": tokenizer.ggml.token_type of token " + std::to_string(i) +
                     " is " + std::to_string(types[i]) + "; expected 1 to 6");
    }
    kinds[i] = static_cast<TokenKind>(types[i]);
  }
  return kinds;
}

Status ReadGgufId(const GgufFile& file, const char* key, size_t num_tokens,
                  std::optional<int32_t>* id) {
  id->reset();
  if (file.FindKey(key) == nullptr) return OkStatus();
  MCV_ASSIGN_OR_RETURN(const uint64_t value, file.GetUint(key));
  if (value >= num_tokens) {
    return Corrupt(file.name() + ": " + key + " is " + std::to_string(value) + ", but there are " +
                   std::to_string(num_tokens) + " tokens");
  }
  *id = static_cast<int32_t>(value);
  return OkStatus();
}

Result<std::unique_ptr<Tokenizer>> LoadTokenizerFromGguf(const GgufFile& file) {
  MCV_ASSIGN_OR_RETURN(const std::string_view model, file.GetString("tokenizer.ggml.model"));
  if (model == "gpt2") return LoadBpeFromGguf(file);
  if (model == "llama") return LoadSentencePieceFromGguf(file);
  return Unsupported(file.name() + ": tokenizer.ggml.model is " + Printable(model) +
                     "; supported are gpt2 and llama");
}

Result<std::unique_ptr<Tokenizer>> LoadTokenizerFromFolder(const std::string& folder) {
  const std::string json_path = folder + "/tokenizer.json";
  const std::string model_path = folder + "/tokenizer.model";
  const std::string config_path = folder + "/tokenizer_config.json";
  std::error_code ignored;
  std::string config;
  if (std::filesystem::exists(config_path, ignored)) {
    MCV_ASSIGN_OR_RETURN(config, ReadTokenizerFile(config_path));
  }
  // Where both are there, tokenizer.model is the original of the SentencePiece kind: the JSON is a
  // conversion that not every release of it gets right.
  if (std::filesystem::exists(model_path, ignored)) {
    MCV_ASSIGN_OR_RETURN(const std::string model, ReadTokenizerFile(model_path));
    return ParseSentencePieceModel(model, config, model_path);
  }
  if (std::filesystem::exists(json_path, ignored)) {
    MCV_ASSIGN_OR_RETURN(const std::string json, ReadTokenizerFile(json_path));
    return ParseTokenizerJson(json, config, json_path);
  }
  return NotFound(folder +
                  ": no tokenizer here; expected tokenizer.json (2.5, 2.6) or "
                  "tokenizer.model (1.0, 2.0)");
}

}  // namespace mcv
