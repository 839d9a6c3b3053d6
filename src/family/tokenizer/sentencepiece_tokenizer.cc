// Two adjacent symbols join if their text together is a piece: the best score first, the leftmost
// among equals. The candidates wait in a heap; one is out of date when either symbol has changed
// its length since. A candidate longer than the longest piece is never looked up, so a text of n
// bytes costs O(n log n).
#include "family/tokenizer/sentencepiece_tokenizer.h"

#include <algorithm>

#include "family/tokenizer/utf8.h"
#include "formats/printable.h"

namespace mcv {
namespace {

constexpr std::string_view kBlankMark = "\xE2\x96\x81";  // U+2581

std::string BlanksForMarks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const bool is_mark = text.substr(i, kBlankMark.size()) == kBlankMark;
    out += is_mark ? ' ' : text[i];
    i += is_mark ? kBlankMark.size() : 1;
  }
  return out;
}

Status CheckModel(const SentencePieceModel& model, const std::string& name) {
  if (model.model_type != 2) {
    return Unsupported(name + ": model type " + std::to_string(model.model_type) +
                       "; only BPE (2) is supported");
  }
  if (!model.byte_fallback) return Unsupported(name + ": a model without byte fallback");
  if (model.has_normalizer_map || !model.escape_whitespaces) {
    return Unsupported(name + ": only the identity normaliser with escaped blanks is supported");
  }
  if (model.add_dummy_prefix || model.remove_extra_whitespaces) {
    return Unsupported(name +
                       ": add_dummy_prefix or remove_extra_whitespaces is on; the family's "
                       "models have both off");
  }
  return OkStatus();
}

std::string PieceName(const std::string& name, size_t id, std::string_view text) {
  return name + ": piece " + std::to_string(id) + " (" + Printable(text) + ")";
}

// Fills the vocabulary, the byte ids and the tries from the model and the tokens laid over it.
class Builder {
 public:
  Builder(const SentencePieceModel& model, std::string name, TokenizerSetup* setup,
          SentencePieceTokenizer::Tables* tables)
      : model_(model), name_(std::move(name)), setup_(setup), tables_(tables) {}

  Status Build(const std::vector<AddedToken>& added) {
    MCV_RETURN_IF_ERROR(LayOver(added));
    tables_->byte_ids.fill(-1);
    for (size_t id = 0; id < model_.pieces.size(); ++id) {
      MCV_RETURN_IF_ERROR(AddPiece(static_cast<int32_t>(id)));
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (tables_->byte_ids[byte] >= 0) continue;
      return Corrupt(name_ + ": there is no piece for byte " + std::to_string(byte));
    }
    return OkStatus();
  }

 private:
  Status LayOver(const std::vector<AddedToken>& added) {
    int64_t count = static_cast<int64_t>(model_.pieces.size());
    const int64_t limit = std::min<int64_t>(kMaxVocabulary, 2 * count + 1024);
    for (const AddedToken& token : added) {
      if (token.id >= limit) {
        return Corrupt(name_ + ": added token " + Printable(token.text) + " has id " +
                       std::to_string(token.id) + " beyond a vocabulary of " +
                       std::to_string(model_.pieces.size()));
      }
      count = std::max<int64_t>(count, token.id + 1);
    }
    setup_->vocabulary = Vocabulary(static_cast<int>(count));
    tables_->scores.assign(static_cast<size_t>(count), 0.0f);
    is_added_.assign(static_cast<size_t>(count), false);
    ByteTrie texts;
    for (const AddedToken& token : added) {
      if (is_added_[token.id] || !texts.Insert(token.text, token.id)) {
        return Corrupt(name_ + ": added token " + Printable(token.text) + " or its id " +
                       std::to_string(token.id) + " is there twice");
      }
      is_added_[token.id] = true;
      setup_->specials.push_back({token.text, token.id});
      setup_->vocabulary.Set(token.id, token.text,
                             token.control ? TokenKind::kControl : TokenKind::kUserDefined);
    }
    return OkStatus();
  }

  Status AddPiece(int32_t id) {
    const SentencePiece& piece = model_.pieces[id];
    const std::string text = BlanksForMarks(piece.text);
    tables_->scores[id] = piece.score;
    // Blanks of the text become U+2581 before pieces are looked up, so a piece with a bare blank
    // can be printed and never be typed. The published model has one.
    const bool is_reachable = piece.text.find(' ') == std::string::npos;
    if (piece.kind == TokenKind::kUserDefined && is_reachable) {
      const bool is_control = is_added_[id] && setup_->vocabulary.kind(id) == TokenKind::kControl;
      if (!tables_->reference_pieces.Insert(text, id)) return Twice(id);
      if (!is_control) tables_->typed_pieces.Insert(text, id);
    }
    if (is_added_[id]) return OkStatus();
    if (piece.kind == TokenKind::kByte) return AddByte(id);
    setup_->vocabulary.Set(id, text, piece.kind);
    if (piece.kind != TokenKind::kNormal || !is_reachable) return OkStatus();
    tables_->longest_piece = std::max(tables_->longest_piece, text.size());
    return setup_->vocabulary.Index(id) < 0 ? OkStatus() : Twice(id);
  }

  Status AddByte(int32_t id) {
    const std::string& text = model_.pieces[id].text;
    const int byte = ByteOfPiece(text);
    if (byte < 0) return Corrupt(PieceName(name_, id, text) + ": a byte piece is spelled <0xNN>");
    if (tables_->byte_ids[byte] >= 0) return Twice(id);
    tables_->byte_ids[byte] = id;
    const char bytes[1] = {static_cast<char>(byte)};
    setup_->vocabulary.Set(id, {bytes, 1}, TokenKind::kByte);
    return OkStatus();
  }

  Status Twice(int32_t id) const {
    return Corrupt(PieceName(name_, id, model_.pieces[id].text) + " is there twice");
  }

  const SentencePieceModel& model_;
  std::string name_;
  TokenizerSetup* setup_;
  SentencePieceTokenizer::Tables* tables_;
  std::vector<bool> is_added_;
};

struct Candidate {
  float score;
  int32_t left, right;
  uint32_t length;  // of both together
  // For a heap with the best score, then the leftmost, on top.
  bool operator<(const Candidate& other) const {
    return score != other.score ? score < other.score : left > other.left;
  }
};

}  // namespace

struct SentencePieceTokenizer::Symbol {
  uint32_t offset;
  uint32_t length;  // 0: joined into its left neighbour
  int32_t id;       // -1: not a piece
  int32_t previous, next;
  bool frozen;
};

SentencePieceTokenizer::SentencePieceTokenizer(TokenizerSetup setup, Tables tables)
    : Tokenizer(std::move(setup)), tables_(std::move(tables)) {}

Result<std::unique_ptr<Tokenizer>> SentencePieceTokenizer::Create(
    const SentencePieceModel& model, const std::vector<AddedToken>& added, TokenizerSetup setup,
    const std::string& name) {
  MCV_RETURN_IF_ERROR(CheckModel(model, name));
  Tables tables;
  MCV_RETURN_IF_ERROR(Builder(model, name, &setup, &tables).Build(added));
  setup.kind = TokenizerKind::kSentencePiece;
  return std::unique_ptr<Tokenizer>(
      std::make_unique<SentencePieceTokenizer>(std::move(setup), std::move(tables)));
}

std::vector<SentencePieceTokenizer::Symbol> SentencePieceTokenizer::SplitIntoSymbols(
    std::string_view text, const ByteTrie& pieces) const {
  std::vector<Symbol> symbols;
  for (size_t i = 0; i < text.size();) {
    const ByteTrie::Match match = pieces.Longest(text.substr(i));
    const bool frozen = match.value >= 0;
    const size_t length = frozen ? match.length : ScanUtf8(text.substr(i)).length;
    const int32_t id = frozen ? match.value : vocabulary().Find(text.substr(i, length));
    const int32_t index = static_cast<int32_t>(symbols.size());
    symbols.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(length), id, index - 1,
                       index + 1, frozen});
    i += length;
  }
  if (!symbols.empty()) symbols.back().next = -1;
  return symbols;
}

void SentencePieceTokenizer::JoinSymbols(std::string_view text,
                                         std::vector<Symbol>* all_symbols) const {
  std::vector<Symbol>& symbols = *all_symbols;
  std::vector<Candidate> heap;
  const auto offer = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0 || symbols[left].frozen || symbols[right].frozen) return;
    const uint32_t length = symbols[left].length + symbols[right].length;
    if (length > tables_.longest_piece) return;
    const int32_t id = vocabulary().Find(text.substr(symbols[left].offset, length));
    if (id < 0) return;
    heap.push_back({tables_.scores[id], left, right, length});
    std::push_heap(heap.begin(), heap.end());
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    offer(static_cast<int32_t>(i), static_cast<int32_t>(i) + 1);
  }
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate top = heap.back();
    heap.pop_back();
    Symbol& left = symbols[top.left];
    Symbol& right = symbols[top.right];
    if (left.length == 0 || right.length == 0 || left.length + right.length != top.length) continue;
    left.length = top.length;
    left.id = vocabulary().Find(text.substr(left.offset, left.length));
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) symbols[left.next].previous = top.left;
    offer(left.previous, top.left);
    offer(top.left, left.next);
  }
}

void SentencePieceTokenizer::AppendPlain(std::string_view utf8, TextSource source,
                                         std::vector<int32_t>* ids) const {
  const std::string text = BlanksForMarks(utf8);
  const ByteTrie& pieces =
      source == TextSource::kTyped ? tables_.typed_pieces : tables_.reference_pieces;
  std::vector<Symbol> symbols = SplitIntoSymbols(text, pieces);
  JoinSymbols(text, &symbols);
  for (const Symbol& symbol : symbols) {
    if (symbol.length == 0) continue;
    if (symbol.id >= 0) {
      ids->push_back(symbol.id);
      continue;
    }
    std::string_view bytes = std::string_view(text).substr(symbol.offset, symbol.length);
    if (bytes == " ") bytes = kBlankMark;  // as the reference spells it
    for (const char byte : bytes) ids->push_back(tables_.byte_ids[static_cast<uint8_t>(byte)]);
  }
}

}  // namespace mcv
