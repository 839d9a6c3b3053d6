// The tokens of a vocabulary: their bytes in one arena, and an index from bytes to ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mcv {

// Limits on what a tokenizer file may ask for. The largest published vocabulary has 151,748 tokens,
// the longest token 256 bytes.
inline constexpr int kMaxVocabulary = 1 << 20;
inline constexpr size_t kMaxTokenBytes = 4096;
inline constexpr size_t kMaxTokenizerFileBytes = size_t{64} << 20;

// The numbers of SentencePiece and GGUF.
enum class TokenKind : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,  // matched before any merging
  kUnused = 5,
  kByte = 6,
};

// A string that EncodeWithSpecials cuts out of the text.
struct SpecialToken {
  std::string text;
  int32_t id = 0;
};

class Vocabulary {
 public:
  Vocabulary() = default;
  // `count` unused tokens without bytes, to be filled in any order.
  explicit Vocabulary(int count);

  int size() const { return static_cast<int>(tokens_.size()); }
  bool Has(int32_t id) const { return id >= 0 && id < size(); }
  // Precondition for all below: Has(id).
  void Set(int32_t id, std::string_view bytes, TokenKind kind);
  void SetKind(int32_t id, TokenKind kind) { tokens_[id].kind = kind; }
  std::string_view bytes(int32_t id) const {
    return std::string_view(arena_).substr(tokens_[id].offset, tokens_[id].length);
  }
  TokenKind kind(int32_t id) const { return tokens_[id].kind; }

  // Makes `id` findable by its bytes. Returns the id that already has these bytes, or -1 if there
  // was none (and `id` is indexed now).
  int32_t Index(int32_t id);
  // The indexed token with exactly these bytes, or -1.
  int32_t Find(std::string_view bytes) const;

 private:
  struct Token {
    uint32_t offset = 0;
    uint32_t length = 0;
    TokenKind kind = TokenKind::kUnused;
  };
  // A slot keeps 32 bits of the hash, so that most misses do not touch the arena.
  struct Slot {
    int32_t id = -1;
    uint32_t hash = 0;
  };
  void GrowIndex();

  std::string arena_;
  std::vector<Token> tokens_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  size_t num_indexed_ = 0;
};

}  // namespace mcv
