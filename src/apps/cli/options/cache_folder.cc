#include "apps/cli/options/cache_folder.h"

#include <cstdlib>

#include "apps/cli/options/home_path.h"

namespace mcv::cli {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string DefaultCacheFolder() {
  const std::string own = Variable("MCV_CACHE_DIR");
  if (!own.empty()) return IsOff(own) ? "" : ExpandHome(own);
  // The XDG rules: a path that is not absolute does not count.
  const std::string caches = Variable("XDG_CACHE_HOME");
  if (caches.starts_with('/')) return caches + "/minicpmv";
  const std::string home = Variable("HOME");
  return home.starts_with('/') ? home + "/.cache/minicpmv" : "";
}

std::string DefaultTuningFile() {
  const std::string folder = DefaultCacheFolder();
  return folder.empty() ? "" : folder + "/tuning.json";
}

std::shared_ptr<PictureCache> MakePictureCache(const std::string& choice, int64_t max_disk_bytes) {
  PictureCacheOptions options;
  options.folder = choice.empty() ? DefaultCacheFolder() : choice;
  options.max_disk_bytes = max_disk_bytes;
  if (IsOff(choice) || options.folder.empty()) return nullptr;
  return std::make_shared<PictureCache>(std::move(options));
}

}  // namespace mcv::cli
