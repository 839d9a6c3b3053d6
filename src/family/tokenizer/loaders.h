// What the loaders of this folder share; other folders use tokenizer.h.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/tokenizer.h"
#include "formats/gguf/gguf_file.h"

namespace mcv {

// tokenizer.ggml.tokens: 1 to kMaxVocabulary of them.
Result<std::span<const std::string_view>> ReadGgufTokens(const GgufFile& file);
// tokenizer.ggml.token_type, one per token.
Result<std::vector<TokenKind>> ReadGgufKinds(const GgufFile& file, size_t num_tokens);
// An optional key with the id of a token.
Status ReadGgufId(const GgufFile& file, const char* key, size_t num_tokens,
                  std::optional<int32_t>* id);

Result<std::unique_ptr<Tokenizer>> LoadBpeFromGguf(const GgufFile& file);
Result<std::unique_ptr<Tokenizer>> LoadSentencePieceFromGguf(const GgufFile& file);

}  // namespace mcv
