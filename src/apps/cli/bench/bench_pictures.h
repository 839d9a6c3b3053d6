// The pictures that both sides of a bench are shown, drawn for the run and removed after it.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace mcv::cli {

// Owns the files it has drawn, and its folder if that is a temporary one.
class PictureFiles {
 public:
  PictureFiles() = default;
  PictureFiles(const PictureFiles&) = delete;
  PictureFiles& operator=(const PictureFiles&) = delete;
  ~PictureFiles();

  // Empty: a temporary folder.
  Status ChooseFolder(const std::string& folder);
  // The path of a square picture. IoError names the file and --pictures.
  Result<std::string> Draw(int side);

 private:
  std::string folder_, own_folder_;
  std::vector<std::string> written_;
};

}  // namespace mcv::cli
