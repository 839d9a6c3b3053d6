// From a picture to what the vision tower reads: resized views and their normalised patches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "family/config.h"
#include "family/vision/slicing.h"
#include "formats/image/image.h"

namespace mcv {

struct View {
  Image pixels;  // sides are multiples of the patch
  int patch_rows = 0;
  int patch_cols = 0;
  int num_patches() const { return patch_rows * patch_cols; }
};

// The overview, then the cells of the grid row by row, as PlanSlices says. Every view comes from
// the picture itself by one resize. The picture has at least one pixel.
std::vector<View> MakeViews(const Image& image, const SliceConfig& config,
                            ThreadPool* pool = nullptr);
std::vector<View> MakeViews(const Image& image, const SlicePlan& plan, int patch,
                            ThreadPool* pool = nullptr);

// Floats of one patch: 3 channels of patch x patch.
inline int64_t PatchFloats(int patch) { return int64_t{3} * patch * patch; }

// Writes one row of PatchFloats values per patch, in the order (channel, row, column) of the patch
// convolution's weight; patches are row-major over the view. Consecutive rows of `out` lie `stride`
// floats apart; `out` holds at least (num_patches - 1) * stride + PatchFloats. A value is
// (byte / 255 - mean) / std in fp32, in this order of operations, as the reference computes it.
void NormalisePatches(const View& view, const ModelConfig& config, std::span<float> out,
                      int64_t stride);
// The same without gaps between rows.
void NormalisePatches(const View& view, const ModelConfig& config, std::span<float> out);

}  // namespace mcv
