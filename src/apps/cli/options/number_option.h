// Numbers on the command line, checked by what they mean; each complaint says what was expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mcv::cli {

// Checks for CLI11: "" or the complaint. The first may write the number out in the text's place.

// Positions of a context: 4096, or 4k, which is the same.
std::string CheckContext(std::string& text);
// Above 0, up to 1.
std::string CheckShare(const std::string& text);
// -1 or a number of 64 bits.
std::string CheckSeed(const std::string& text);

// A checked seed; nothing for -1 and for no text: any number will do.
std::optional<uint64_t> SeedOf(std::string_view text);
// One that nobody has foreseen, short enough to be typed again.
uint64_t AnySeed();

}  // namespace mcv::cli
