// The file tokenizer.json, read in one pass: the two large parts (vocabulary and merges) go
// straight into flat arrays, the rest becomes a small JSON tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mcv {

struct TokenizerJson {
  // Texts are ranges of `arena`.
  struct Entry {
    uint32_t offset = 0;
    uint32_t length = 0;
    int32_t id = 0;
  };
  struct Merge {
    uint32_t offset = 0;  // left, then right
    uint32_t left_length = 0;
    uint32_t right_length = 0;
  };
  std::string arena;
  std::vector<Entry> vocabulary;  // in file order, ids 0 .. kMaxVocabulary - 1, not checked further
  std::vector<Merge> merges;      // in file order
  nlohmann::json rest;            // an object; without model.vocab and model.merges

  std::string_view text(const Entry& entry) const {
    return std::string_view(arena).substr(entry.offset, entry.length);
  }
  std::string_view left(const Merge& merge) const {
    return std::string_view(arena).substr(merge.offset, merge.left_length);
  }
  std::string_view right(const Merge& merge) const {
    return std::string_view(arena).substr(merge.offset + merge.left_length, merge.right_length);
  }
};

// Errors name `name` and the byte, the depth or the entry. Memory is a small multiple of the text's
// size, and nesting is limited.
Result<TokenizerJson> ReadTokenizerJson(std::string_view json, const std::string& name);

}  // namespace mcv
