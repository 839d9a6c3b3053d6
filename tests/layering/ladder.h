// Who may include whom. The folder order is the architecture; this is where it is written down so
// that a machine can hold everybody to it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/layering/source_tree.h"

namespace mcv {

struct Room {
  std::string_view name;
  std::vector<std::string_view> may_include;  // besides itself
};

// Lowest first; the trainer stands beside the engine's rooms and comes last.
const std::vector<Room>& Ladder();

// The ladder as text, for whoever has just broken it.
std::string LadderText();

// One line per include of this file that the ladder does not allow, each with file and line.
std::vector<std::string> LayeringViolations(const SourceFile& file);

// Lines above which a file is too long, and above which it is worth a look.
struct SizeLimits {
  int warn;
  int fail;
};
SizeLimits LimitsFor(const SourceFile& file);

}  // namespace mcv
