// Text from a file, made safe to show: a hostile name must not steer somebody's terminal or log.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mcv {

// The text between single quotes: printable ASCII as it is, every other byte as \xNN, and what goes
// beyond max_bytes replaced by "...".
std::string Printable(std::string_view text, size_t max_bytes = 96);

}  // namespace mcv
