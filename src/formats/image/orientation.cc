#include "formats/image/orientation.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "formats/image/decoders.h"

namespace mcv {
namespace {

constexpr size_t kChannels = 3;

void SwapPixels(uint8_t* a, uint8_t* b) { std::swap_ranges(a, a + kChannels, b); }

void MirrorColumns(Image* image) {
  const size_t width = static_cast<size_t>(image->width);
  for (size_t y = 0; y < static_cast<size_t>(image->height); ++y) {
    uint8_t* row = &image->pixels[y * width * kChannels];
    for (size_t x = 0; x < width / 2; ++x) {
      SwapPixels(row + x * kChannels, row + (width - 1 - x) * kChannels);
    }
  }
}

void MirrorRows(Image* image) {
  const size_t row_bytes = static_cast<size_t>(image->width) * kChannels;
  const size_t height = static_cast<size_t>(image->height);
  for (size_t y = 0; y < height / 2; ++y) {
    uint8_t* row = &image->pixels[y * row_bytes];
    std::swap_ranges(row, row + row_bytes, &image->pixels[(height - 1 - y) * row_bytes]);
  }
}

// out(x, y) = in(y, x), in tiles so that neither side walks memory a row apart for long.
void Transpose(const Image& in, Image* out) {
  constexpr int kTile = 32;
  for (int top = 0; top < out->height; top += kTile) {
    for (int left = 0; left < out->width; left += kTile) {
      for (int y = top; y < std::min(top + kTile, out->height); ++y) {
        for (int x = left; x < std::min(left + kTile, out->width); ++x) {
          const size_t to = static_cast<size_t>(y) * static_cast<size_t>(out->width) + size_t(x);
          const size_t from = static_cast<size_t>(x) * static_cast<size_t>(in.width) + size_t(y);
          std::memcpy(&out->pixels[to * kChannels], &in.pixels[from * kChannels], kChannels);
        }
      }
    }
  }
}

}  // namespace

Status TurnUpright(int orientation, Image* image) {
  // Every orientation is a transposition (5 to 8) followed by mirrorings:
  // 2 columns, 3 both, 4 rows; 5 none, 6 columns (a quarter turn right), 7 both, 8 rows.
  if (orientation >= 5 && orientation <= 8) {
    MCV_ASSIGN_OR_RETURN(Image turned, image_internal::NewImage(image->height, image->width, 0));
    Transpose(*image, &turned);
    *image = std::move(turned);
  }
  const bool columns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool rows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  if (columns) MirrorColumns(image);
  if (rows) MirrorRows(image);
  return OkStatus();
}

}  // namespace mcv
