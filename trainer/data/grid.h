// Patch grids: how many 14x14 patches a picture has. A view of the nano model has about 36.
#pragma once

#include <cstdint>

namespace mcv::trainer {

inline constexpr int kPatchPixels = 14;

struct PatchGrid {
  int rows = 6;
  int cols = 6;

  int count() const { return rows * cols; }
  int width() const { return cols * kPatchPixels; }
  int height() const { return rows * kPatchPixels; }
  bool operator==(const PatchGrid&) const = default;
};

}  // namespace mcv::trainer
