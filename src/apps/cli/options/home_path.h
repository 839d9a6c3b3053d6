// Paths as people write them where no shell has seen to the tilde.
#pragma once

#include <string>
#include <string_view>

namespace mcv::cli {

// "~" and "~/x" with the home folder in the tilde's place, "~name/x" with that user's. Anything
// else, and a home that nobody knows, comes back as it is.
std::string ExpandHome(std::string_view path);

// "off" in any case.
bool IsOff(std::string_view text);

}  // namespace mcv::cli
