#include "family/tokenizer/utf8.h"

#include <cstdint>

namespace mcv {
namespace {

struct LeadByte {
  int length = 0;              // 0: can not begin a character
  uint8_t second_low = 0x80;   // range of the second byte: excludes overlong forms, surrogates and
  uint8_t second_high = 0xBF;  // code points above U+10FFFF
};

LeadByte Classify(uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

}  // namespace

Utf8Scan ScanUtf8(std::string_view text) {
  using Kind = Utf8Scan::Kind;
  const LeadByte lead = Classify(static_cast<uint8_t>(text[0]));
  if (lead.length == 0) return {Kind::kMalformed, 1};
  for (int i = 1; i < lead.length; ++i) {
    if (static_cast<size_t>(i) == text.size()) return {Kind::kCutOff, text.size()};
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    const uint8_t low = i == 1 ? lead.second_low : 0x80;
    const uint8_t high = i == 1 ? lead.second_high : 0xBF;
    if (byte < low || byte > high) return {Kind::kMalformed, static_cast<size_t>(i)};
  }
  return {Kind::kCharacter, static_cast<size_t>(lead.length)};
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Scan scan = ScanUtf8(text);
    if (scan.kind != Utf8Scan::Kind::kCharacter) return false;
    text.remove_prefix(scan.length);
  }
  return true;
}

std::string ReplaceMalformedUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Scan scan = ScanUtf8(text);
    out += scan.kind == Utf8Scan::Kind::kCharacter ? text.substr(0, scan.length)
                                                   : kReplacementCharacter;
    text.remove_prefix(scan.length);
  }
  return out;
}

char32_t CodePointOf(std::string_view character) {
  const auto byte = [&](size_t i) {
    return static_cast<char32_t>(static_cast<uint8_t>(character[i]));
  };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
             (byte(3) & 0x3F);
  }
}

}  // namespace mcv
