#include "trainer/data/byte_level.h"

#include <glib.h>

#include <algorithm>
#include <array>
#include <map>

#include "trainer/data/alphabet.h"

namespace mcv::trainer {
namespace {

bool IsLetter(char32_t c) {
  switch (g_unichar_type(c)) {
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_UPPERCASE_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_OTHER_LETTER:
      return true;
    default:
      return false;
  }
}

bool IsNumber(char32_t c) {
  const GUnicodeType type = g_unichar_type(c);
  return type == G_UNICODE_DECIMAL_NUMBER || type == G_UNICODE_LETTER_NUMBER ||
         type == G_UNICODE_OTHER_NUMBER;
}

bool IsSpace(char32_t c) { return g_unichar_isspace(c) || c == 0x0B || c == 0x85; }
bool IsNewline(char32_t c) { return c == '\n' || c == '\r'; }
bool IsOther(char32_t c) { return !IsSpace(c) && !IsLetter(c) && !IsNumber(c); }

// One matcher for each alternative of the pattern: given the text from `at` on, how many characters
// it takes, or 0.
class Cutter {
 public:
  explicit Cutter(const std::vector<char32_t>& text) : text_(text) {}

  size_t Take(size_t at) const {
    for (size_t taken :
         {Contraction(at), Word(at), Number(at), Symbols(at), Lines(at), Blanks(at)}) {
      if (taken > 0) return taken;
    }
    return 1;
  }

 private:
  template <typename Kind>
  size_t Run(size_t at, Kind kind) const {
    size_t end = at;
    while (end < text_.size() && kind(text_[end])) ++end;
    return end - at;
  }

  size_t Contraction(size_t at) const {
    if (text_[at] != '\'') return 0;
    for (const char* tail : {"s", "t", "re", "ve", "m", "ll", "d"}) {
      size_t length = 0;
      while (tail[length] != 0 && at + 1 + length < text_.size() &&
             static_cast<char32_t>(tail[length]) == g_unichar_tolower(text_[at + 1 + length])) {
        ++length;
      }
      if (tail[length] == 0) return 1 + length;
    }
    return 0;
  }

  size_t Word(size_t at) const {
    const char32_t c = text_[at];
    const size_t lead = IsLetter(c) || IsNumber(c) || IsNewline(c) ? 0 : 1;
    const size_t letters = Run(at + lead, IsLetter);
    return letters > 0 ? lead + letters : 0;
  }

  size_t Number(size_t at) const { return std::min<size_t>(3, Run(at, IsNumber)); }

  size_t Symbols(size_t at) const {
    const size_t lead = text_[at] == ' ' ? 1 : 0;
    const size_t symbols = Run(at + lead, IsOther);
    return symbols > 0 ? lead + symbols + Run(at + lead + symbols, IsNewline) : 0;
  }

  // White space up to and including its last line break.
  size_t Lines(size_t at) const {
    size_t taken = Run(at, IsSpace);
    while (taken > 0 && !IsNewline(text_[at + taken - 1])) --taken;
    return taken;
  }

  // All white space but the last blank before a word.
  size_t Blanks(size_t at) const {
    const size_t taken = Run(at, IsSpace);
    return taken > 1 && at + taken < text_.size() ? taken - 1 : taken;
  }

  const std::vector<char32_t>& text_;
};

// Bytes that are printable characters in Latin-1 stand for themselves; the others follow from
// U+0100.
std::array<char32_t, 256> MakePrintable() {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table[byte] = itself ? static_cast<char32_t>(byte) : next++;
  }
  return table;
}

const std::array<char32_t, 256>& Printable() {
  static const auto table = MakePrintable();
  return table;
}

}  // namespace

std::vector<std::string> PreTokenise(std::string_view utf8) {
  const std::vector<char32_t> text = CodePoints(utf8);
  const Cutter cutter(text);
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size();) {
    std::string piece;
    for (size_t end = at + cutter.Take(at); at < end; ++at) AppendUtf8(text[at], piece);
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::string BytesToPrintable(std::string_view bytes) {
  std::string printable;
  for (char c : bytes) AppendUtf8(Printable()[static_cast<uint8_t>(c)], printable);
  return printable;
}

std::string PrintableToBytes(std::string_view printable) {
  static const std::map<char32_t, char> inverse = [] {
    std::map<char32_t, char> map;
    for (int byte = 0; byte < 256; ++byte) map[Printable()[byte]] = static_cast<char>(byte);
    return map;
  }();
  std::string bytes;
  for (char32_t c : CodePoints(printable)) {
    const auto found = inverse.find(c);
    if (found == inverse.end()) return {};
    bytes.push_back(found->second);
  }
  return bytes;
}

std::vector<uint8_t> BytesInVocabularyOrder() {
  std::vector<uint8_t> order(256);
  for (int i = 0; i < 256; ++i) order[i] = static_cast<uint8_t>(i);
  std::sort(order.begin(), order.end(),
            [](uint8_t a, uint8_t b) { return Printable()[a] < Printable()[b]; });
  return order;
}

}  // namespace mcv::trainer
