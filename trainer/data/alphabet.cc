#include "trainer/data/alphabet.h"

#include <unordered_map>

#include "base/status.h"

namespace mcv::trainer {
namespace {

std::vector<char32_t> MakeAlphabet() {
  std::vector<char32_t> alphabet;
  const auto range = [&](char32_t first, char32_t last) {
    for (char32_t c = first; c <= last; ++c) alphabet.push_back(c);
  };
  range('a', 'z');
  range('0', '9');
  range('A', 'Z');
  range(0x3B1, 0x3C9);  // Greek, final sigma included
  range(0x3AC, 0x3AF);  // its accented vowels
  range(0x3CC, 0x3CE);
  range(0x430, 0x44F);  // Cyrillic
  alphabet.push_back(0x451);
  return alphabet;
}

}  // namespace

const std::vector<char32_t>& Alphabet() {
  static const std::vector<char32_t> alphabet = MakeAlphabet();
  return alphabet;
}

int AlphabetIndex(char32_t character) {
  static const std::unordered_map<char32_t, int> index = [] {
    std::unordered_map<char32_t, int> map;
    for (size_t i = 0; i < Alphabet().size(); ++i) map[Alphabet()[i]] = static_cast<int>(i);
    return map;
  }();
  const auto found = index.find(character);
  return found == index.end() ? -1 : found->second;
}

std::vector<char32_t> CodePoints(std::string_view utf8) {
  std::vector<char32_t> result;
  for (size_t i = 0; i < utf8.size();) {
    const uint8_t lead = static_cast<uint8_t>(utf8[i]);
    const int length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    MCV_CHECK(i + length <= utf8.size());
    char32_t c = length == 1 ? lead : lead & (0xFF >> (length + 1));
    for (int k = 1; k < length; ++k) c = (c << 6) | (static_cast<uint8_t>(utf8[i + k]) & 0x3F);
    result.push_back(c);
    i += length;
  }
  return result;
}

void AppendUtf8(char32_t c, std::string& out) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

}  // namespace mcv::trainer
