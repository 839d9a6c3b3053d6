// The characters that patches of printed text are labelled with (patch_labels.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mcv::trainer {

// a-z, 0-9, A-Z, then lower-case Greek (with accents) and Cyrillic: 26 + 36 + 32 + 33 characters.
// Indices never change: append only.
inline constexpr int kFirstCharacters = 127;  // of the first model
const std::vector<char32_t>& Alphabet();
// Index in Alphabet(), or -1 (spaces, punctuation, other scripts).
int AlphabetIndex(char32_t character);

// UTF-8 to code points; the text comes from the project's own word lists and is valid.
std::vector<char32_t> CodePoints(std::string_view utf8);
void AppendUtf8(char32_t character, std::string& out);

}  // namespace mcv::trainer
