#include "family/tokenizer/byte_alphabet.h"

#include <array>

namespace mcv {
namespace {

constexpr bool IsItself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr int kNumMoved = 68;

struct Tables {
  std::array<uint16_t, 256> character{};           // byte -> code point
  std::array<int16_t, 256 + kNumMoved> byte_of{};  // code point -> byte, -1: none
};

constexpr Tables MakeTables() {
  Tables tables;
  for (int16_t& entry : tables.byte_of) entry = -1;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const int character = IsItself(byte) ? byte : next++;
    tables.character[byte] = static_cast<uint16_t>(character);
    tables.byte_of[character] = static_cast<int16_t>(byte);
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

bool FromByteAlphabet(std::string_view spelled, std::string* bytes) {
  bytes->clear();
  for (size_t i = 0; i < spelled.size();) {
    // The alphabet ends at U+0143, so its characters have one or two bytes.
    const uint8_t lead = static_cast<uint8_t>(spelled[i]);
    size_t code_point = lead;
    if (lead >= 0x80) {
      if (lead < 0xC2 || lead > 0xC5 || i + 1 == spelled.size()) return false;
      code_point = (lead & 0x1Fu) << 6 | (static_cast<uint8_t>(spelled[i + 1]) & 0x3Fu);
    }
    if (code_point >= kTables.byte_of.size() || kTables.byte_of[code_point] < 0) return false;
    bytes->push_back(static_cast<char>(kTables.byte_of[code_point]));
    i += lead < 0x80 ? 1 : 2;
  }
  return true;
}

std::string ByteAlphabetCharacter(uint8_t byte) {
  const int character = kTables.character[byte];
  if (character < 0x80) return std::string(1, static_cast<char>(character));
  return {static_cast<char>(0xC0 | character >> 6), static_cast<char>(0x80 | (character & 0x3F))};
}

}  // namespace mcv
