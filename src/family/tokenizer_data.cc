#include "family/tokenizer_data.h"

#include <filesystem>

#include "base/mapped_file.h"
#include "family/json_object.h"
#include "family/tokenizer/added_tokens.h"
#include "family/tokenizer/sentencepiece_model.h"
#include "family/tokenizer/tokenizer_json.h"
#include "formats/printable.h"

namespace mcv {
namespace {

constexpr char kPrefix[] = "tokenizer.ggml.";

int32_t Number(TokenKind kind) { return static_cast<int32_t>(kind); }

std::optional<uint32_t> IdOf(const TokenizerData& data, const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (data.tokens[id] == *text) return static_cast<uint32_t>(id);
  }
  return std::nullopt;
}

// Makes room for `id`; ids that nobody names stay unused.
Status Put(TokenizerData& data, int64_t id, const std::string& text, TokenKind kind,
           const std::string& where) {
  if (id < 0 || id >= kMaxVocabulary) {
    return Corrupt(where + ": token " + Printable(text) + " has id " + std::to_string(id) +
                   ", expected 0 to " + std::to_string(kMaxVocabulary - 1));
  }
  if (static_cast<size_t>(id) >= data.tokens.size()) {
    data.tokens.resize(id + 1);
    data.types.resize(id + 1, Number(TokenKind::kUnused));
  }
  data.tokens[id] = text;
  data.types[id] = Number(kind);
  return OkStatus();
}

Status ReadBpe(const std::string& path, const TokenizerConfig& config, TokenizerData& data) {
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxTokenizerFileBytes));
  MCV_ASSIGN_OR_RETURN(const TokenizerJson file, ReadTokenizerJson(text, path));
  data.model = "gpt2";
  for (const auto& entry : file.vocabulary) {
    MCV_RETURN_IF_ERROR(
        Put(data, entry.id, std::string(file.text(entry)), TokenKind::kNormal, path));
  }
  std::vector<AddedToken> added;
  const auto list = file.rest.find("added_tokens");
  if (list != file.rest.end() && list->is_array()) {
    for (const auto& entry : *list) {
      MCV_ASSIGN_OR_RETURN(AddedToken token,
                           ReadAddedToken(entry, std::nullopt, path + ": added_tokens"));
      added.push_back(std::move(token));
    }
  }
  for (const AddedToken& token : MergeAddedTokens(std::move(added), config.added)) {
    const TokenKind kind = token.control ? TokenKind::kControl : TokenKind::kUserDefined;
    MCV_RETURN_IF_ERROR(Put(data, token.id, token.text, kind, path));
  }
  for (const auto& merge : file.merges) {
    data.merges.push_back(std::string(file.left(merge)) + " " + std::string(file.right(merge)));
  }
  return OkStatus();
}

Status ReadPieces(const std::string& path, const TokenizerConfig& config, TokenizerData& data) {
  MCV_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxTokenizerFileBytes));
  MCV_ASSIGN_OR_RETURN(const SentencePieceModel file, ReadSentencePieceModel(bytes, path));
  data.model = "llama";
  data.add_bos = true;
  data.add_space_prefix = file.add_dummy_prefix;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const SentencePiece& piece = file.pieces[id];
    MCV_RETURN_IF_ERROR(Put(data, static_cast<int64_t>(id), piece.text, piece.kind, path));
    data.scores.push_back(piece.score);
  }
  // 2.0 lays its tags over reserved pieces; a control or unknown piece keeps its kind.
  for (const AddedToken& token : config.added) {
    const bool known = static_cast<size_t>(token.id) < data.types.size();
    const bool ordinary = !known || data.types[token.id] == Number(TokenKind::kNormal) ||
                          data.types[token.id] == Number(TokenKind::kUserDefined);
    MCV_RETURN_IF_ERROR(Put(
        data, token.id, token.text,
        ordinary ? TokenKind::kUserDefined : static_cast<TokenKind>(data.types[token.id]), path));
  }
  data.scores.resize(data.tokens.size(), 0.0f);
  return OkStatus();
}

// The embedding table may have more rows than there are tokens.
Status PadTo(int vocab, const std::string& folder, TokenizerData& data) {
  if (data.tokens.size() > static_cast<size_t>(vocab)) {
    return Corrupt(folder + ": the tokenizer has " + std::to_string(data.tokens.size()) +
                   " tokens but the model only " + std::to_string(vocab) + " embeddings");
  }
  data.tokens.resize(vocab);
  data.types.resize(vocab, Number(TokenKind::kUnused));
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (data.types[id] == Number(TokenKind::kUnused) && data.tokens[id].empty()) {
      data.tokens[id] = "[PAD" + std::to_string(id) + "]";
    }
  }
  if (data.model == "llama") data.scores.resize(vocab, 0.0f);
  return OkStatus();
}

// tokenizer_config.json may leave a token out that config.json names by its id (2.6's bos).
Status AddIdsOfConfig(const std::string& path, TokenizerData& data) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return OkStatus();
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxTokenizerFileBytes));
  MCV_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJsonObject(text, path));
  JsonObject config(json, path);
  const auto take = [&](const char* key, std::optional<uint32_t>& id) {
    if (id || !config.Find(key) || !config.Find(key)->is_number()) return;
    const int value = config.Int(key);
    if (value >= 0) id = static_cast<uint32_t>(value);
  };
  take("bos_token_id", data.bos);
  take("eos_token_id", data.eos);
  return config.status();
}

Status GetOptionalId(const GgufFile& file, const char* name, std::optional<uint32_t>* id) {
  const std::string key = std::string(kPrefix) + name;
  if (!file.FindKey(key)) return OkStatus();
  MCV_ASSIGN_OR_RETURN(const uint64_t value, file.GetUint(key));
  *id = static_cast<uint32_t>(std::min<uint64_t>(value, UINT32_MAX));
  return OkStatus();
}

Status GetOptionalText(const GgufFile& file, const std::string& key, std::string* text) {
  if (!file.FindKey(key)) return OkStatus();
  MCV_ASSIGN_OR_RETURN(const std::string_view value, file.GetString(key));
  *text = std::string(value);
  return OkStatus();
}

Status ReadLists(const GgufFile& file, TokenizerData& data) {
  const std::string prefix = kPrefix;
  MCV_ASSIGN_OR_RETURN(const auto tokens, file.GetStrings(prefix + "tokens"));
  data.tokens.assign(tokens.begin(), tokens.end());
  MCV_ASSIGN_OR_RETURN(const auto types, file.GetInts(prefix + "token_type"));
  data.types.assign(types.begin(), types.end());
  if (file.FindKey(prefix + "merges")) {
    MCV_ASSIGN_OR_RETURN(const auto merges, file.GetStrings(prefix + "merges"));
    data.merges.assign(merges.begin(), merges.end());
  }
  if (file.FindKey(prefix + "scores")) {
    MCV_ASSIGN_OR_RETURN(const auto scores, file.GetFloats(prefix + "scores"));
    data.scores.assign(scores.begin(), scores.end());
  }
  return OkStatus();
}

}  // namespace

Result<TokenizerData> ReadTokenizerData(const std::string& folder, const ModelConfig& model) {
  const std::filesystem::path base = folder;
  std::string config_text;
  std::error_code error;
  const std::string config_path = (base / "tokenizer_config.json").string();
  if (std::filesystem::exists(config_path, error)) {
    MCV_ASSIGN_OR_RETURN(config_text, ReadFile(config_path, kMaxTokenizerFileBytes));
  }
  MCV_ASSIGN_OR_RETURN(const TokenizerConfig config,
                       ParseTokenizerConfig(config_text, config_path));
  TokenizerData data;
  switch (model.row().tokenizer) {
    case TokenizerKind::kSentencePiece:
      data.pre = "default";
      MCV_RETURN_IF_ERROR(ReadPieces((base / "tokenizer.model").string(), config, data));
      break;
    case TokenizerKind::kLlama3Bpe:
      data.pre = "llama-bpe";
      MCV_RETURN_IF_ERROR(ReadBpe((base / "tokenizer.json").string(), config, data));
      break;
    case TokenizerKind::kQwen2Bpe:
      data.pre = "qwen2";
      MCV_RETURN_IF_ERROR(ReadBpe((base / "tokenizer.json").string(), config, data));
      break;
  }
  data.bos = IdOf(data, config.bos);
  data.eos = IdOf(data, config.eos);
  data.unknown = IdOf(data, config.unk);
  data.eot = IdOf(data, "<|eot_id|>");
  data.chat_template = config.chat_template;
  MCV_RETURN_IF_ERROR(AddIdsOfConfig((base / "config.json").string(), data));
  MCV_RETURN_IF_ERROR(PadTo(model.text.vocab, folder, data));
  return data;
}

Result<TokenizerData> ReadTokenizerData(const GgufFile& file) {
  const std::string prefix = kPrefix;
  TokenizerData data;
  MCV_RETURN_IF_ERROR(GetOptionalText(file, prefix + "model", &data.model));
  MCV_RETURN_IF_ERROR(GetOptionalText(file, prefix + "pre", &data.pre));
  MCV_RETURN_IF_ERROR(GetOptionalText(file, "tokenizer.chat_template", &data.chat_template));
  MCV_RETURN_IF_ERROR(ReadLists(file, data));
  MCV_RETURN_IF_ERROR(GetOptionalId(file, "bos_token_id", &data.bos));
  MCV_RETURN_IF_ERROR(GetOptionalId(file, "eos_token_id", &data.eos));
  MCV_RETURN_IF_ERROR(GetOptionalId(file, "eot_token_id", &data.eot));
  MCV_RETURN_IF_ERROR(GetOptionalId(file, "unknown_token_id", &data.unknown));
  MCV_RETURN_IF_ERROR(GetOptionalId(file, "padding_token_id", &data.padding));
  if (file.FindKey(prefix + "add_bos_token")) {
    MCV_ASSIGN_OR_RETURN(data.add_bos, file.GetBool(prefix + "add_bos_token"));
  }
  if (file.FindKey(prefix + "add_space_prefix")) {
    MCV_ASSIGN_OR_RETURN(data.add_space_prefix, file.GetBool(prefix + "add_space_prefix"));
  }
  return data;
}

void AddTokenizerKeys(const TokenizerData& data, GgufWriter& writer) {
  const std::string prefix = kPrefix;
  writer.AddString(prefix + "model", data.model);
  writer.AddString(prefix + "pre", data.pre);
  writer.AddStrings(prefix + "tokens", data.tokens);
  if (!data.scores.empty()) writer.AddF32s(prefix + "scores", data.scores);
  writer.AddI32s(prefix + "token_type", data.types);
  if (!data.merges.empty()) writer.AddStrings(prefix + "merges", data.merges);
  const std::pair<const char*, std::optional<uint32_t>> ids[] = {
      {"bos_token_id", data.bos},         {"eos_token_id", data.eos},
      {"eot_token_id", data.eot},         {"unknown_token_id", data.unknown},
      {"padding_token_id", data.padding},
  };
  for (const auto& [name, id] : ids) {
    if (id) writer.AddU32(prefix + name, *id);
  }
  writer.AddBool(prefix + "add_bos_token", data.add_bos);
  if (data.add_space_prefix) writer.AddBool(prefix + "add_space_prefix", *data.add_space_prefix);
  if (!data.chat_template.empty()) writer.AddString("tokenizer.chat_template", data.chat_template);
}

}  // namespace mcv
