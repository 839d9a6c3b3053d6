// What a folder holds.
#pragma once

#include <string>
#include <vector>

namespace mcv {

// Names of the entries, sorted; as far as they can be read.
std::vector<std::string> EntriesOf(const std::string& folder);

}  // namespace mcv
