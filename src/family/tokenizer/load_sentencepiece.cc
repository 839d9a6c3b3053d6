// MiniCPM's SentencePiece tokenizer from its two sources: tokenizer.model with
// tokenizer_config.json, and the metadata of a GGUF of architecture minicpm.
//
// Neither SentencePiece nor a GGUF tells which pieces steer the model; the config does. Where it is
// missing, the family's own tags are looked up by name (model-spec 1.6).
#include <algorithm>
#include <cmath>

#include "family/tokenizer/loaders.h"
#include "family/tokenizer/sentencepiece_tokenizer.h"
#include "family/tokenizer/utf8.h"
#include "formats/printable.h"

namespace mcv {
namespace {

constexpr std::string_view kTags[] = {"<image>", "</image>", "<ref>",  "</ref>",
                                      "<box>",   "</box>",   "<quad>", "</quad>"};
// 2.0 lays these over the reserved pieces that follow </quad>.
constexpr std::string_view kLateTags[] = {"<point>", "</point>", "<slice>", "</slice>"};

std::vector<AddedToken> KnownAddedTokens(const SentencePieceModel& model) {
  std::vector<AddedToken> added;
  size_t after_quad = model.pieces.size();
  bool has_late_tags = false;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const SentencePiece& piece = model.pieces[i];
    const auto is = [&](std::string_view tag) { return tag == piece.text; };
    const bool late = std::any_of(std::begin(kLateTags), std::end(kLateTags), is);
    if (piece.kind == TokenKind::kControl || piece.kind == TokenKind::kUnknown || late ||
        std::any_of(std::begin(kTags), std::end(kTags), is)) {
      added.push_back({static_cast<int32_t>(i), piece.text, true});
    }
    has_late_tags |= late;
    if (piece.text == "</quad>") after_quad = i + 1;
  }
  for (size_t i = 0; i < std::size(kLateTags) && !has_late_tags; ++i) {
    const size_t id = after_quad + i;
    if (id >= model.pieces.size() || model.pieces[id].text.rfind("<reserved_", 0) != 0) break;
    added.push_back({static_cast<int32_t>(id), std::string(kLateTags[i]), true});
  }
  return added;
}

std::optional<int32_t> IdIfThere(int id, const SentencePieceModel& model) {
  if (id < 0 || static_cast<size_t>(id) >= model.pieces.size()) return std::nullopt;
  return id;
}

Result<SentencePieceModel> ModelOfGguf(const GgufFile& file) {
  MCV_ASSIGN_OR_RETURN(const auto tokens, ReadGgufTokens(file));
  MCV_ASSIGN_OR_RETURN(const auto kinds, ReadGgufKinds(file, tokens.size()));
  MCV_ASSIGN_OR_RETURN(const auto scores, file.GetFloats("tokenizer.ggml.scores"));
  if (scores.size() != tokens.size()) {
    return Corrupt(file.name() + ": tokenizer.ggml.scores has " + std::to_string(scores.size()) +
                   " entries for " + std::to_string(tokens.size()) + " tokens");
  }
  SentencePieceModel model;
  model.model_type = 2;
  model.byte_fallback = true;
  model.add_dummy_prefix = model.remove_extra_whitespaces = false;
  model.pieces.resize(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    // Padding up to the width of the model's logits may be nameless.
    const bool may_be_empty = kinds[i] == TokenKind::kUnused;
    if ((tokens[i].empty() && !may_be_empty) || tokens[i].size() > kMaxTokenBytes ||
        !IsValidUtf8(tokens[i]) || !std::isfinite(scores[i])) {
      return Corrupt(file.name() + ": token " + std::to_string(i) + " (" + Printable(tokens[i]) +
                     "): expected 1 to " + std::to_string(kMaxTokenBytes) +
                     " bytes of UTF-8 and a finite score");
    }
    model.pieces[i] = {std::string(tokens[i]), static_cast<float>(scores[i]), kinds[i]};
  }
  return model;
}

// The converter writes user-defined pieces as normal ones. They are what lies between the control
// tokens at the start and the 256 bytes.
void RestoreUserDefined(SentencePieceModel* model) {
  for (size_t i = 3; i < model->pieces.size(); ++i) {
    if (model->pieces[i].kind == TokenKind::kByte) return;
    if (model->pieces[i].kind == TokenKind::kNormal) {
      model->pieces[i].kind = TokenKind::kUserDefined;
    }
  }
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> ParseSentencePieceModel(std::string_view bytes,
                                                           std::string_view config_text,
                                                           const std::string& name) {
  MCV_ASSIGN_OR_RETURN(const SentencePieceModel model, ReadSentencePieceModel(bytes, name));
  MCV_ASSIGN_OR_RETURN(TokenizerConfig config,
                       ParseTokenizerConfig(config_text, "tokenizer_config.json beside " + name));
  TokenizerSetup setup;
  setup.bos_id = IdIfThere(model.bos_id, model);
  setup.eos_id = IdIfThere(model.eos_id, model);
  setup.chat_template = std::move(config.chat_template);
  const bool config_knows = !config.added.empty();
  return SentencePieceTokenizer::Create(
      model, config_knows ? MergeAddedTokens({}, config.added) : KnownAddedTokens(model),
      std::move(setup), name);
}

Result<std::unique_ptr<Tokenizer>> LoadSentencePieceFromGguf(const GgufFile& file) {
  MCV_ASSIGN_OR_RETURN(const std::string_view arch, file.GetString("general.architecture"));
  if (arch != "minicpm") {
    return Unsupported(file.name() + ": a SentencePiece tokenizer with architecture " +
                       Printable(arch) + "; the family has it with minicpm only");
  }
  MCV_ASSIGN_OR_RETURN(SentencePieceModel model, ModelOfGguf(file));
  RestoreUserDefined(&model);
  TokenizerSetup setup;
  MCV_RETURN_IF_ERROR(
      ReadGgufId(file, "tokenizer.ggml.bos_token_id", model.pieces.size(), &setup.bos_id));
  MCV_RETURN_IF_ERROR(
      ReadGgufId(file, "tokenizer.ggml.eos_token_id", model.pieces.size(), &setup.eos_id));
  const auto chat_template = file.GetString("tokenizer.chat_template");
  if (chat_template.ok()) setup.chat_template = std::string(*chat_template);
  return SentencePieceTokenizer::Create(model, KnownAddedTokens(model), std::move(setup),
                                        file.name());
}

}  // namespace mcv
