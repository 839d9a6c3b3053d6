#include "apps/cli/options/home_path.h"

#include <pwd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace mcv::cli {

std::string ExpandHome(std::string_view path) {
  if (!path.starts_with('~')) return std::string(path);
  const size_t slash = std::min(path.find('/'), path.size());
  const std::string user(path.substr(1, slash - 1));
  const char* home = nullptr;
  if (user.empty()) {
    home = std::getenv("HOME");
  } else if (const passwd* entry = getpwnam(user.c_str()); entry != nullptr) {
    home = entry->pw_dir;
  }
  if (home == nullptr || *home == '\0') return std::string(path);
  return home + std::string(path.substr(slash));
}

bool IsOff(std::string_view text) {
  constexpr std::string_view kOff = "off";
  return std::equal(text.begin(), text.end(), kOff.begin(), kOff.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  });
}

}  // namespace mcv::cli
