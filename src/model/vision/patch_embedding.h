// From normalised patches to the tower's input: the patch convolution as a linear map, plus the
// learned position of each patch under the version's rule.
#pragma once

#include <vector>

#include "family/config.h"
#include "family/vision/positions.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/weights.h"

namespace mcv {

// A position table stretched to one grid, kept because most views of a picture share a grid. Only
// used under PositionRule::kInterpolated.
class StretchedTable {
 public:
  // [rows * cols, C]; valid until the next call.
  ConstMatView For(const PatchGrid& grid, const VisionWeights& weights, const VisionConfig& config,
                   Context& ctx);
  // The most that is held for a view: the table, the stretched one, and while that is made the one
  // that is stretched along the rows only. 0 where the version stretches nothing.
  static int64_t BytesFor(const VisionConfig& config, int64_t patches, int64_t cols);

 private:
  std::vector<float> table_;  // the file's table in fp32, [S * S, C]
  PatchGrid grid_;
  std::vector<float> stretched_;
};

// act.patches [N, P] -> act.x [N, C], N = the view's patches and its padding. Padding patches are
// zero pixels with a position of their own, as published for 2.5.
void EmbedPatches(const VisionWeights& weights, const VisionConfig& config, const PatchGrid& grid,
                  const ViewPositions& positions, StretchedTable& stretched, VisionActivations& act,
                  Context& ctx);

}  // namespace mcv
