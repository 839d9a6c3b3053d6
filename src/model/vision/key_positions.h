// What the resampler's keys are told about where a patch lies, per version (model-spec 1.4).
#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "model/weights.h"
#include "spec/config.h"
#include "spec/vision/positions.h"

namespace mcv {

// The table of the latest grid, kept because most views of a picture share a grid.
class KeyPositions {
 public:
  // [rows * cols, E]; valid until the next call.
  ConstMatView For(const PatchGrid& grid, const ResamplerWeights& weights,
                   const ResamplerConfig& config);
  // What is kept for a view of `patches`.
  static int64_t BytesFor(const ResamplerConfig& config, int64_t patches) {
    return patches * config.width * static_cast<int64_t>(sizeof(float));
  }

 private:
  PatchGrid grid_;
  std::vector<float> table_;
};

}  // namespace mcv
