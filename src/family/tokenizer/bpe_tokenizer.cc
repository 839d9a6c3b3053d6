// Merging keeps the pieces in a linked list and the possible merges in a heap, so that one "word"
// of a hundred thousand letters costs n log n and not n squared. An entry of the heap is out of
// date when its tokens are no longer the ones that stand there.
#include "family/tokenizer/bpe_tokenizer.h"

#include <algorithm>

#include "family/tokenizer/byte_alphabet.h"
#include "family/tokenizer/nfc.h"
#include "formats/printable.h"

namespace mcv {

struct BpeTokenizer::Scratch {
  struct Symbol {
    int32_t id;
    int32_t previous;  // -1 at the ends
    int32_t next;
  };
  struct Candidate {
    uint32_t rank;
    int32_t position;  // of the left symbol
    int32_t left, right, result;
    // For a heap with the lowest rank, then the leftmost, on top.
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  std::vector<size_t> ends;
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

BpeTokenizer::BpeTokenizer(TokenizerSetup setup, const BpeRules& rules, PreTokenizer pre_tokenizer,
                           MergeTable merges, const std::array<int32_t, 256>& byte_ids)
    : Tokenizer(std::move(setup)),
      rules_(rules),
      pre_tokenizer_(std::move(pre_tokenizer)),
      merges_(std::move(merges)),
      byte_ids_(byte_ids) {}

// Control tokens are not reachable by merging, so typed and reference text are the same here.
void BpeTokenizer::AppendPlain(std::string_view utf8, TextSource /*source*/,
                               std::vector<int32_t>* ids) const {
  std::string normal;
  if (rules_.nfc) {
    normal = ToNfc(utf8);
    utf8 = normal;
  }
  Scratch scratch;
  pre_tokenizer_.Split(utf8, &scratch.ends);
  size_t begin = 0;
  for (const size_t end : scratch.ends) {
    AppendPiece(utf8.substr(begin, end - begin), &scratch, ids);
    begin = end;
  }
}

void BpeTokenizer::AppendPiece(std::string_view piece, Scratch* scratch,
                               std::vector<int32_t>* ids) const {
  if (rules_.ignore_merges) {
    const int32_t whole = vocabulary().Find(piece);
    if (whole >= 0 && vocabulary().kind(whole) == TokenKind::kNormal) {
      ids->push_back(whole);
      return;
    }
  }
  auto& symbols = scratch->symbols;
  auto& heap = scratch->heap;
  const int32_t count = static_cast<int32_t>(piece.size());
  symbols.resize(piece.size());
  for (int32_t i = 0; i < count; ++i) {
    const uint8_t byte = static_cast<uint8_t>(piece[i]);
    symbols[i] = {byte_ids_[byte], i - 1, i + 1 < count ? i + 1 : -1};
  }
  heap.clear();
  const auto offer = [&](int32_t position) {
    const int32_t next = symbols[position].next;
    if (next < 0) return;
    const MergeTable::Merge* merge = merges_.Find(symbols[position].id, symbols[next].id);
    if (merge == nullptr) return;
    heap.push_back({merge->rank, position, symbols[position].id, symbols[next].id, merge->result});
    std::push_heap(heap.begin(), heap.end());
  };
  for (int32_t i = 0; i + 1 < count; ++i) offer(i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Scratch::Candidate top = heap.back();
    heap.pop_back();
    Scratch::Symbol& left = symbols[top.position];
    if (left.id != top.left || left.next < 0 || symbols[left.next].id != top.right) continue;
    const int32_t gone = left.next;
    left.id = top.result;
    left.next = symbols[gone].next;
    symbols[gone].id = -1;  // no candidate can match it any more
    if (left.next >= 0) symbols[left.next].previous = top.position;
    offer(top.position);
    if (left.previous >= 0) offer(left.previous);
  }
  for (int32_t i = 0; i >= 0; i = symbols[i].next) ids->push_back(symbols[i].id);
}

BpeAssembler::BpeAssembler(std::string name, int count, size_t expected_merges)
    : name_(std::move(name)),
      vocabulary_(count),
      seen_(static_cast<size_t>(count)),
      merges_(expected_merges) {}

Status BpeAssembler::CheckToken(int32_t id, std::string_view text) const {
  if (!vocabulary_.Has(id)) {
    return Corrupt(name_ + ": token " + Printable(text) + " has id " + std::to_string(id) +
                   "; expected 0 to " + std::to_string(vocabulary_.size() - 1));
  }
  if (text.empty() || text.size() > kMaxTokenBytes) {
    return Corrupt(name_ + ": token " + std::to_string(id) + " has " + std::to_string(text.size()) +
                   " bytes; expected 1 to " + std::to_string(kMaxTokenBytes));
  }
  return OkStatus();
}

Status BpeAssembler::AddToken(int32_t id, std::string_view spelled) {
  MCV_RETURN_IF_ERROR(CheckToken(id, spelled));
  if (seen_[id]) {
    return Corrupt(name_ + ": two tokens have id " + std::to_string(id) + "; one is " +
                   Printable(spelled));
  }
  seen_[id] = true;
  // A spelling outside the alphabet is literal text, which no merge can reach.
  if (!FromByteAlphabet(spelled, &left_bytes_)) {
    vocabulary_.Set(id, spelled, TokenKind::kUserDefined);
    return OkStatus();
  }
  vocabulary_.Set(id, left_bytes_, TokenKind::kNormal);
  const int32_t other = vocabulary_.Index(id);
  if (other < 0) return OkStatus();
  return Corrupt(name_ + ": tokens " + std::to_string(other) + " and " + std::to_string(id) +
                 " are both spelled " + Printable(spelled));
}

Status BpeAssembler::AddAdded(const AddedToken& token) {
  MCV_RETURN_IF_ERROR(CheckToken(token.id, token.text));
  const bool repeats = seen_[token.id];
  if (repeats && vocabulary_.bytes(token.id) != token.text) {
    return Corrupt(name_ + ": added token " + std::to_string(token.id) + " is " +
                   Printable(token.text) + ", but the vocabulary says " +
                   Printable(vocabulary_.bytes(token.id)));
  }
  const auto [other, is_new] = special_ids_.emplace(token.text, token.id);
  if (!is_new) {
    return Corrupt(name_ + ": added tokens " + std::to_string(other->second) + " and " +
                   std::to_string(token.id) + " are both " + Printable(token.text));
  }
  specials_.push_back({token.text, token.id});
  if (repeats && IsPadTrap(token.text)) return OkStatus();
  const TokenKind kind = token.control ? TokenKind::kControl : TokenKind::kUserDefined;
  if (repeats) {
    vocabulary_.SetKind(token.id, kind);
  } else {
    vocabulary_.Set(token.id, token.text, kind);
    seen_[token.id] = true;
  }
  return OkStatus();
}

std::optional<int32_t> BpeAssembler::Declare(std::string_view text) {
  if (text.empty() || IsPadTrap(text)) return std::nullopt;
  const auto added = special_ids_.find(std::string(text));
  int32_t id = added != special_ids_.end() ? added->second : -1;
  // A wrong declaration must not take an ordinary word away from what people can type.
  if (id < 0 && text.front() == '<' && text.back() == '>') id = vocabulary_.Find(text);
  if (id < 0) return std::nullopt;
  if (special_ids_.emplace(text, id).second) specials_.push_back({std::string(text), id});
  vocabulary_.SetKind(id, TokenKind::kControl);
  return id;
}

Status BpeAssembler::AddMerge(std::string_view left, std::string_view right) {
  const auto fail = [&](const std::string& what) {
    return Corrupt(name_ + ": merge " + std::to_string(num_merges_) + " (" + Printable(left) +
                   ", " + Printable(right) + "): " + what);
  };
  if (!FromByteAlphabet(left, &left_bytes_) || !FromByteAlphabet(right, &right_bytes_)) {
    return fail("not in the byte alphabet");
  }
  const int32_t left_id = vocabulary_.Find(left_bytes_);
  const int32_t right_id = vocabulary_.Find(right_bytes_);
  if (left_id < 0 || right_id < 0) {
    return fail("its " + std::string(left_id < 0 ? "first" : "second") +
                " part is not in the vocabulary");
  }
  const int32_t result = vocabulary_.Find(left_bytes_ += right_bytes_);
  if (result < 0) return fail("its result is not in the vocabulary");
  const uint32_t rank = num_merges_++;
  // The reference cuts control tokens out before it merges, so it never merges into one either.
  if (vocabulary_.kind(result) != TokenKind::kNormal) return OkStatus();
  if (!merges_.Insert(left_id, right_id, {rank, result})) return fail("is there twice");
  return OkStatus();
}

Result<std::unique_ptr<Tokenizer>> BpeAssembler::Finish(TokenizerSetup setup,
                                                        const BpeRules& rules) {
  std::array<int32_t, 256> byte_ids;
  for (int byte = 0; byte < 256; ++byte) {
    const char bytes[1] = {static_cast<char>(byte)};
    byte_ids[byte] = vocabulary_.Find({bytes, 1});
    if (byte_ids[byte] >= 0) continue;
    return Corrupt(name_ + ": the vocabulary has no token for byte " + std::to_string(byte) + " (" +
                   Printable(ByteAlphabetCharacter(static_cast<uint8_t>(byte))) +
                   "); a byte-level one needs all 256");
  }
  MCV_ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer, PreTokenizer::Create(rules.split));
  setup.kind =
      rules.split == SplitRule::kLlama3 ? TokenizerKind::kLlama3Bpe : TokenizerKind::kQwen2Bpe;
  setup.vocabulary = std::move(vocabulary_);
  setup.specials = std::move(specials_);
  return std::unique_ptr<Tokenizer>(std::make_unique<BpeTokenizer>(
      std::move(setup), rules, std::move(pre_tokenizer), std::move(merges_), byte_ids));
}

}  // namespace mcv
