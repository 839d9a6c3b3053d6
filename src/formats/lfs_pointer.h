// Git LFS keeps large files elsewhere and puts a small text in their place. Whoever clones without
// it, or downloads a repository as an archive, gets the text under the file's name.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace mcv {

bool IsLfsPointer(std::span<const std::byte> file);

// "... not the picture itself: fetch it with 'git lfs pull'...": what to say after "this is " or a
// name and a colon. `what` is what was expected there.
std::string LfsPointerText(std::string_view what);

// OK, or Corrupt naming the file.
Status CheckNotLfsPointer(std::span<const std::byte> file, const std::string& name,
                          std::string_view what);

}  // namespace mcv
