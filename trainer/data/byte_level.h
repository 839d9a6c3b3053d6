// The byte-level half of Llama 3's tokenizer (model-spec 5.2, steps 2 and 3).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mcv::trainer {

// The text cut where merges must not cross. The pieces put together are the text again.
std::vector<std::string> PreTokenise(std::string_view utf8);

// Bytes as the printable characters that tokenizer files show them as, and back. An unknown
// character makes PrintableToBytes return an empty string.
std::string BytesToPrintable(std::string_view bytes);
std::string PrintableToBytes(std::string_view printable);

// The 256 bytes in the order of their ids: printable ones first, the others behind.
std::vector<uint8_t> BytesInVocabularyOrder();

}  // namespace mcv::trainer
