#include "apps/cli/commands/picture_loading.h"

#include <chrono>
#include <filesystem>

#include "apps/cli/terminal/terminal.h"
#include "formats/image/image.h"

namespace mcv::cli {

namespace {

// Before its pixels are taken.
Status CheckRoom(const PictureFile& file, const RunOptions& options, const Session& session) {
  MCV_ASSIGN_OR_RETURN(const ImageInfo info, file.Info());
  const auto [width, height] = UprightSize(info, options);
  return session.RoomForPicture(width, height, static_cast<int64_t>(MostDecodingBytes(info)));
}

}  // namespace

PixelSize UprightSize(const ImageInfo& info, const RunOptions& options) {
  const bool turned = info.orientation >= 5 && !options.as_stored;
  return turned ? PixelSize{info.height, info.width} : PixelSize{info.width, info.height};
}

Result<LoadedPicture> LoadPicture(const std::string& path, const RunOptions& options,
                                  Session& session) {
  ImageOptions image_options;
  image_options.apply_orientation = !options.as_stored;
  image_options.alpha_over_white = !options.as_stored;
  MCV_ASSIGN_OR_RETURN(const PictureFile file, PictureFile::Open(path));
  if (!options.memory_limit.empty()) {
    MCV_RETURN_IF_ERROR(CheckRoom(file, options, session).Annotate(path));
  }
  const auto start = std::chrono::steady_clock::now();
  MCV_ASSIGN_OR_RETURN(DecodedImage decoded, file.Decode(image_options));

  LoadedPicture picture;
  picture.path = path;
  picture.width = decoded.image.width;
  picture.height = decoded.image.height;
  picture.notes = std::move(decoded.notes);
  picture.decode_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  ProgressLine line(ShowsProgress(options.no_progress));
  const std::string label = "looking at " + std::filesystem::path(path).filename().string();
  AddImageOptions add;
  add.cancel = &Interrupted();
  add.on_progress = [&](const ViewProgress& progress) {
    line.Show(label, progress.views_done, progress.num_views, progress.seconds_left);
  };
  const int pictures_before = session.num_images();
  auto number = session.AddImage(decoded.image, add);
  if (!number.ok()) return number.status().Annotate(path);
  picture.number = *number;
  if (*number == pictures_before) {  // not one that the session has already
    for (const std::string& note : session.picture_stats(*number).cache_notes) {
      picture.notes.push_back("picture cache: " + note);
    }
  }
  return picture;
}

}  // namespace mcv::cli
