#include "formats/lfs_pointer.h"

#include <algorithm>

namespace mcv {

bool IsLfsPointer(std::span<const std::byte> file) {
  constexpr size_t kMostBytes = 1024;  // the format's own limit
  const std::string_view text(reinterpret_cast<const char*>(file.data()),
                              std::min(file.size(), kMostBytes));
  if (!text.starts_with("version http")) return false;
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  const bool known = line.find("git-lfs.github.com/spec") != std::string_view::npos ||
                     line.find("hawser.github.com/spec") != std::string_view::npos ||
                     line.find("git-media.io/v/") != std::string_view::npos;
  return known && text.find("\noid ") != std::string_view::npos;
}

std::string LfsPointerText(std::string_view what) {
  return "a Git LFS pointer and not the " + std::string(what) +
         " itself: run 'git lfs install' and 'git lfs pull' in its repository, or download the "
         "file itself";
}

Status CheckNotLfsPointer(std::span<const std::byte> file, const std::string& name,
                          std::string_view what) {
  if (!IsLfsPointer(file)) return OkStatus();
  return Corrupt(name + ": is " + LfsPointerText(what));
}

}  // namespace mcv
