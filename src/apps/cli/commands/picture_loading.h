// From a file name to an encoded picture of a session, with progress per view.
#pragma once

#include <string>
#include <vector>

#include "apps/cli/options/run_options.h"
#include "base/status.h"
#include "engine/session.h"
#include "family/vision/slicing.h"
#include "formats/image/image.h"

namespace mcv::cli {

struct LoadedPicture {
  int number = 0;  // the session's
  std::string path;
  int width = 0, height = 0;  // upright, before slicing
  double decode_seconds = 0.0;
  std::vector<std::string> notes;
};

// As LoadPicture will see it.
PixelSize UprightSize(const ImageInfo& info, const RunOptions& options);

// Decodes and encodes. Errors name the file.
Result<LoadedPicture> LoadPicture(const std::string& path, const RunOptions& options,
                                  Session& session);

}  // namespace mcv::cli
