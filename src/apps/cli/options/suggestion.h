// What somebody may have meant who typed a name that is none.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mcv::cli {

// The candidate that `word` is closest to, if a slip or two of the hand make one of the other or
// one begins with the other; else "".
std::string Suggestion(std::string_view word, std::span<const std::string> candidates);

}  // namespace mcv::cli
