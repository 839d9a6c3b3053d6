// What the resampler's keys are told about where a patch lies, per version (model-spec 1.4).
#pragma once

#include <vector>

#include "family/config.h"
#include "family/vision/positions.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace mcv {

// The position of every patch of a grid: a table, or where that is a column's values followed by a
// row's (the sine-cosine table, 17 MB for 1,024 patches of width 4,096), those alone. Does not own.
struct GridPositions {
  PatchGrid grid;
  ConstMatView table = {};       // [rows * cols, E], or empty:
  ConstMatView of_columns = {};  // [cols, E / 2]
  ConstMatView of_rows = {};     // [rows, E / 2]
};
// keys [rows * cols, E] += the positions.
void AddPositions(const GridPositions& positions, MatView keys, Context& ctx);

// What is kept between views: the sine-cosine values of the longest side so far, or the stored
// table stretched to the latest grid.
class KeyPositions {
 public:
  // Valid until the next call.
  GridPositions For(const PatchGrid& grid, const ResamplerWeights& weights,
                    const ResamplerConfig& config);
  // What is kept for a view of `patches` that has at most `sides` patches each way.
  static int64_t BytesFor(const ResamplerConfig& config, int64_t patches, const PatchGrid& sides);

 private:
  std::vector<float> axis_;  // [side, E / 2]
  PatchGrid stretched_grid_;
  std::vector<float> stretched_;  // [rows * cols, E]
};

}  // namespace mcv
