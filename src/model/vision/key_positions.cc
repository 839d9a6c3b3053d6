#include "model/vision/key_positions.h"

#include <cmath>

#include "spec/vision/resample_table.h"
#include "spec/vision/sincos.h"

namespace mcv {

ConstMatView KeyPositions::For(const PatchGrid& grid, const ResamplerWeights& weights,
                               const ResamplerConfig& config) {
  const int64_t patches = grid.num_patches();
  if (grid_.rows != grid.rows || grid_.cols != grid.cols) {
    if (config.positions == ResamplerPositions::kStored) {
      // 1.0 knows no table but its queries' own 8x8 map, stretched without antialiasing.
      const int side = static_cast<int>(std::lround(std::sqrt(config.queries)));
      const std::span<const float> stored(weights.positions, static_cast<size_t>(config.queries) *
                                                                 static_cast<size_t>(config.width));
      table_ = ResampleTable(stored, side, config.width, grid.rows, grid.cols, TableFilter::kPlain);
    } else {
      table_.resize(static_cast<size_t>(patches) * static_cast<size_t>(config.width));
      FillSinCosTable(grid.rows, grid.cols, config.width, table_);
    }
    grid_ = grid;
  }
  return {table_.data(), patches, config.width};
}

}  // namespace mcv
