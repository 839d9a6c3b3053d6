// Tokens that a model's files lay over its vocabulary, and what else tokenizer_config.json says.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/vocabulary.h"

namespace mcv {

struct AddedToken {
  int32_t id = 0;
  std::string text;
  bool control = false;  // "special" in the files
};

// One entry of added_tokens ({"id": 7, "content": ...}) or, with its id given by the key, of
// added_tokens_decoder. `where` names the entry in messages.
Result<AddedToken> ReadAddedToken(const nlohmann::json& entry, std::optional<int32_t> id,
                                  const std::string& where);

struct TokenizerConfig {
  std::vector<AddedToken> added;
  std::optional<std::string> bos, eos, unk;  // names; pad is left out on purpose (see IsPadTrap)
  std::string chat_template;
};
// An empty text gives an empty config.
Result<TokenizerConfig> ParseTokenizerConfig(std::string_view text, const std::string& name);

// Entries of `first` with those of `second` laid over them by id.
std::vector<AddedToken> MergeAddedTokens(std::vector<AddedToken> first,
                                         const std::vector<AddedToken>& second);

// 2.5 pads with the ordinary "!" (id 0), so its files flag "!" as a control token. A token that
// spells one byte is something people type: it is never treated as control.
inline bool IsPadTrap(std::string_view text) { return text.size() == 1; }

}  // namespace mcv
