// expected/exif: a JPEG's pixels as stored and turned upright. JPEG decoders differ by a few
// levels, so pixels are compared within a tolerance; sizes and grids must be equal.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "apps/parity/replay_picture.h"
#include "apps/parity/replay_tables.h"
#include "base/sha256.h"
#include "family/vision/slicing.h"

namespace mcv::parity {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr double kDecoderLevels = 8;

// Largest and where.
void CompareWithDecoded(const Replay& r, const Image& image, const Image& expected) {
  if (image.width != expected.width || image.height != expected.height) {
    r.Add("decoded_pixels", HUGE_VAL, kDecoderLevels, "another size");
    return;
  }
  int worst = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    worst = std::max(worst, std::abs(int{image.pixels[i]} - int{expected.pixels[i]}));
  }
  r.Add("decoded_pixels", worst, kDecoderLevels, "levels apart");
}

Status ReplayOne(const Replay& r) {
  const std::string name = r.c->json.at("image").get<std::string>();
  const std::string orientation = r.c->json.at("orientation").get<std::string>();
  MCV_ASSIGN_OR_RETURN(const std::string path, r.goldens->PictureFile(name));
  ImageOptions options;
  options.apply_orientation = orientation == "upright";
  options.alpha_over_white = false;
  MCV_ASSIGN_OR_RETURN(const DecodedImage picture, LoadImage(path, options));
  const Image& image = picture.image;

  const auto size = r.c->json.at("image_size").get<std::vector<int>>();
  const bool same_size = size == std::vector<int>{image.width, image.height};
  r.Add("decoded_size", same_size ? 0 : 1, 0,
        std::to_string(image.width) + "x" + std::to_string(image.height) + ", expected " +
            r.c->json.at("image_size").dump());
  if (!same_size) return OkStatus();
  const json* hash = r.Find("image_sha256");
  if (hash != nullptr && Sha256Hex(image.pixels) == hash->get<std::string>()) {
    r.Add("decoded_pixels", 0, kDecoderLevels, "");
  } else if (orientation == "stored" && r.goldens->Find("images/" + name + ".decoded.png")) {
    MCV_ASSIGN_OR_RETURN(const Image expected, r.goldens->LoadPicture(name));
    CompareWithDecoded(r, image, expected);
  }
  const SliceConfig config;  // the published rules, as for slicing_cases.tsv
  ComparePixels(r, PlanSlices(image.width, image.height, config), image, config, kDecoderLevels);
  return OkStatus();
}

}  // namespace

void ReplayDecodedPictures(const Goldens& goldens, Machine* machine, Report* report) {
  const auto folder = goldens.Find("expected/exif");
  if (!folder) return report->Note("expected/exif is not there");
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::directory_iterator it(*folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".json") paths.push_back(it->path().string());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    Case c;
    c.name = fs::path(path).stem().string();
    auto contents = ReadJsonFile(path);
    if (!contents.ok()) {
      report->Broken("exif", "", contents.status().message());
      continue;
    }
    c.json = *std::move(contents);
    Replay replay;
    replay.goldens = &goldens;
    replay.c = &c;
    replay.machine = machine;
    replay.report = report;
    replay.base.run = "exif";
    replay.base.where = c.name;
    try {
      const Status status = ReplayOne(replay);
      if (!status.ok()) replay.Broken(status.message());
    } catch (const json::exception& problem) {
      replay.Broken(std::string("unexpected contents: ") + problem.what());
    }
  }
}

}  // namespace mcv::parity
