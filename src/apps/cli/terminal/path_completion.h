// What Tab does behind a command that takes files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mcv::cli {

struct Completion {
  std::string insert;                // at the cursor; "" where nothing is certain
  std::vector<std::string> choices;  // names that could follow, in order, where there are several
};

// `text` ends at the cursor; its last word is completed, in the quotes or backslashes that it is
// written with. Nothing follows a whole name, no blank either. `pictures_only` leaves other files
// out, unless there is nothing else.
Completion CompletePath(std::string_view text, bool pictures_only);

// The last word completed from `names`.
Completion CompleteName(std::string_view word, const std::vector<std::string>& names);

}  // namespace mcv::cli
