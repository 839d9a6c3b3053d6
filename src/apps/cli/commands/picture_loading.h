// From a file name to an encoded picture of a session, with progress per view.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/cli/options/run_options.h"
#include "base/status.h"
#include "engine/session.h"
#include "family/vision/slicing.h"
#include "formats/image/image.h"

namespace mcv::cli {

// A picture's bytes: a file, or what comes out of a pipe, which can be read only once.
class PictureFile {
 public:
  // "-" is standard input. A pipe is read to its end, up to a limit.
  static Result<PictureFile> Open(const std::string& path);

  Result<ImageInfo> Info() const;
  Result<DecodedImage> Decode(const ImageOptions& options) const;

 private:
  std::string path_;
  std::optional<std::string> piped_;  // nothing: to be read from the path
};

// Whether `path` names something that a picture can be read from: a file, a pipe, a device; not a
// folder, and not what is not there.
bool IsReadableFile(const std::string& path);
// Whether the name ends as those of pictures do that are accepted: .jpg, .jpeg, .png, .webp.
bool HasPictureEnding(std::string_view path);

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
