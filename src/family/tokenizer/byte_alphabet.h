// GPT-2's way of writing arbitrary bytes with printable characters, which the files of byte-level
// tokenizers use: bytes 33-126, 161-172 and 174-255 are the characters of the same number, the
// other 68 are U+0100, U+0101, ... in increasing order (model-spec 5.2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mcv {

// Puts the bytes that `spelled` stands for into `bytes`. False, and `bytes` undefined, if some
// character is not of the alphabet: then the spelling is literal text (as for added tokens).
bool FromByteAlphabet(std::string_view spelled, std::string* bytes);

// The character of one byte, as UTF-8.
std::string ByteAlphabetCharacter(uint8_t byte);

}  // namespace mcv
