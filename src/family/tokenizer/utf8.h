// UTF-8 as it arrives from people and from models: possibly broken, possibly cut off.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mcv {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

struct Utf8Scan {
  enum class Kind {
    kCharacter,  // `length` bytes form one character
    kMalformed,  // `length` bytes can begin no character: one U+FFFD stands for them
    kCutOff,     // the text ends inside a character; more bytes could complete it
  };
  Kind kind = Kind::kCharacter;
  size_t length = 0;
};

// What the non-empty `text` begins with. Malformed pieces are maximal as in the Unicode standard
// (section 3.9, "substitution of maximal subparts"), which is also what Python's and Rust's
// decoders do.
Utf8Scan ScanUtf8(std::string_view text);

bool IsValidUtf8(std::string_view text);
// Every malformed or cut-off piece becomes U+FFFD.
std::string ReplaceMalformedUtf8(std::string_view text);

// The code point of a valid character, as found by ScanUtf8.
char32_t CodePointOf(std::string_view character);

}  // namespace mcv
