#include "family/vision/views.h"

#include <array>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "family/vision/resize.h"

namespace mcv {
namespace {

View MakeView(Image pixels, int patch) {
  View view;
  view.patch_rows = pixels.height / patch;
  view.patch_cols = pixels.width / patch;
  view.pixels = std::move(pixels);
  return view;
}

Image Crop(const Image& image, int left, int top, PixelSize size) {
  Image out;
  out.width = size.width;
  out.height = size.height;
  const size_t row_bytes = size_t{3} * static_cast<size_t>(size.width);
  out.pixels.resize(row_bytes * static_cast<size_t>(size.height));
  for (int y = 0; y < size.height; ++y) {
    const size_t from = size_t{3} * (static_cast<size_t>(top + y) * size_t(image.width) +
                                     static_cast<size_t>(left));
    std::memcpy(&out.pixels[row_bytes * static_cast<size_t>(y)], &image.pixels[from], row_bytes);
  }
  return out;
}

// All values that a channel's byte can take after normalisation.
using ByteTable = std::array<float, 256>;

ByteTable NormalisedBytes(float mean, float std) {
  ByteTable table;
  for (int byte = 0; byte < 256; ++byte) {
    table[static_cast<size_t>(byte)] = (static_cast<float>(byte) / 255.0f - mean) / std;
  }
  return table;
}

}  // namespace

std::vector<View> MakeViews(const Image& image, const SlicePlan& plan, int patch,
                            ThreadPool* pool) {
  std::vector<View> views;
  views.reserve(static_cast<size_t>(plan.num_views()));
  views.push_back(
      MakeView(ResizeBicubic(image, plan.overview.width, plan.overview.height, pool), patch));
  if (!plan.is_cut()) return views;
  const Image refined = ResizeBicubic(image, plan.refine.width, plan.refine.height, pool);
  for (int row = 0; row < plan.rows; ++row) {
    for (int col = 0; col < plan.cols; ++col) {
      views.push_back(
          MakeView(Crop(refined, col * plan.cell.width, row * plan.cell.height, plan.cell), patch));
    }
  }
  return views;
}

std::vector<View> MakeViews(const Image& image, const SliceConfig& config, ThreadPool* pool) {
  return MakeViews(image, PlanSlices(image.width, image.height, config), config.patch, pool);
}

void NormalisePatches(const View& view, const ModelConfig& config, std::span<float> out,
                      int64_t stride) {
  const int patch = config.vision.patch;
  const int64_t floats = PatchFloats(patch);
  MCV_CHECK(view.pixels.width == view.patch_cols * patch &&
            view.pixels.height == view.patch_rows * patch && stride >= floats);
  MCV_CHECK(static_cast<int64_t>(out.size()) >= (view.num_patches() - 1) * stride + floats);
  std::array<ByteTable, 3> tables;
  for (size_t c = 0; c < 3; ++c) {
    tables[c] = NormalisedBytes(config.image_mean[c], config.image_std[c]);
  }
  const size_t row_bytes = size_t{3} * static_cast<size_t>(view.pixels.width);
  for (int p = 0; p < view.num_patches(); ++p) {
    const int top = p / view.patch_cols * patch;
    const int left = p % view.patch_cols * patch;
    float* to = out.data() + p * stride;
    for (size_t c = 0; c < 3; ++c) {
      for (int y = 0; y < patch; ++y) {
        const uint8_t* from =
            &view.pixels
                 .pixels[static_cast<size_t>(top + y) * row_bytes + size_t{3} * size_t(left)];
        for (int x = 0; x < patch; ++x) *to++ = tables[c][from[3 * x + static_cast<int>(c)]];
      }
    }
  }
}

void NormalisePatches(const View& view, const ModelConfig& config, std::span<float> out) {
  NormalisePatches(view, config, out, PatchFloats(config.vision.patch));
}

}  // namespace mcv
