#include "apps/cli/bench/bench_pictures.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "apps/bench/workload.h"
#include "formats/image/image.h"

namespace mcv::cli {

namespace fs = std::filesystem;

PictureFiles::~PictureFiles() {
  std::error_code ignored;
  for (const std::string& path : written_) fs::remove(path, ignored);
  if (!own_folder_.empty()) fs::remove(own_folder_, ignored);
}

Status PictureFiles::ChooseFolder(const std::string& folder) {
  folder_ = folder;
  if (!folder_.empty()) return OkStatus();
  std::error_code error;
  std::string name = (fs::temp_directory_path(error) / "minicpmv-bench-XXXXXX").string();
  if (error || mkdtemp(name.data()) == nullptr) {
    return IoError(name + ": cannot be made; name a folder for pictures with --pictures");
  }
  folder_ = own_folder_ = name;
  return OkStatus();
}

Result<std::string> PictureFiles::Draw(int side) {
  const std::string size = std::to_string(side);
  const std::string name =
      "minicpmv-bench-" + std::to_string(getpid()) + "-" + size + "x" + size + ".png";
  const std::string path = (fs::path(folder_) / name).string();
  const Status status = WritePng(path, bench::DrawPicture(side));
  if (!status.ok()) {
    return IoError(status.message() +
                   " (name a folder that can be written, and that the peer sees, with --pictures)");
  }
  written_.push_back(path);
  return path;
}

}  // namespace mcv::cli
