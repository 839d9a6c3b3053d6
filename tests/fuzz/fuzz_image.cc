// Pictures from anywhere: whatever the bytes are, the answer is a whole picture or a reason, within
// the limits that were asked for.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "formats/image/image.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  mcv::ImageOptions options;
  options.max_pixels = 1'000'000;  // small, so that time goes into parsing and not into filling
  options.max_side = 20'000;
  const auto info = mcv::ReadImageInfo(file);
  if (info.ok()) {
    Require(info->width > 0 && info->height > 0);
    Require(info->orientation >= 1 && info->orientation <= 8);
  }
  for (const bool as_reference : {false, true}) {
    options.apply_orientation = options.alpha_over_white = !as_reference;
    const auto decoded = mcv::DecodeImage(file, options);
    if (!decoded.ok()) {
      Require(!decoded.status().message().empty());
      continue;
    }
    const mcv::Image& image = decoded->image;
    Require(info.ok() && image.width > 0 && image.height > 0);
    const uint64_t pixels =
        static_cast<uint64_t>(image.width) * static_cast<uint64_t>(image.height);
    Require(pixels <= options.max_pixels && image.pixels.size() == 3 * pixels);
  }
  return 0;
}
