#include "model/vision/key_positions.h"

#include <algorithm>
#include <cmath>

#include "family/vision/resample_table.h"
#include "family/vision/sincos.h"

namespace mcv {

void AddPositions(const GridPositions& positions, MatView keys, Context& ctx) {
  if (positions.table.data != nullptr) {
    AddScaled(positions.table, 1.0f, keys, ctx);
    return;
  }
  const int64_t cols = positions.grid.cols;
  const int64_t half = keys.cols / 2;
  for (int64_t row = 0; row < positions.grid.rows; ++row) {
    const MatView patches = keys.Rows(row * cols, cols);
    // The same row again for every patch: rows no distance apart.
    const ConstMatView of_row(positions.of_rows.Row(row), cols, half, 0);
    AddScaled(positions.of_columns, 1.0f, patches.Cols(0, half), ctx);
    AddScaled(of_row, 1.0f, patches.Cols(half, half), ctx);
  }
}

GridPositions KeyPositions::For(const PatchGrid& grid, const ResamplerWeights& weights,
                                const ResamplerConfig& config) {
  if (config.positions == ResamplerPositions::kStored) {
    if (stretched_grid_.rows != grid.rows || stretched_grid_.cols != grid.cols) {
      // 1.0 knows no table but its queries' own 8x8 map, stretched without antialiasing.
      const int side = static_cast<int>(std::lround(std::sqrt(config.queries)));
      const std::span<const float> stored(weights.positions, static_cast<size_t>(config.queries) *
                                                                 static_cast<size_t>(config.width));
      stretched_ =
          ResampleTable(stored, side, config.width, grid.rows, grid.cols, TableFilter::kPlain);
      stretched_grid_ = grid;
    }
    return {.grid = grid, .table = {stretched_.data(), grid.num_patches(), config.width}};
  }
  const int64_t half = config.width / 2;
  const int side = std::max(grid.rows, grid.cols);
  if (static_cast<int64_t>(axis_.size()) < side * half) axis_ = SinCosAxis(side, config.width);
  return {.grid = grid,
          .of_columns = {axis_.data(), grid.cols, half},
          .of_rows = {axis_.data(), grid.rows, half}};
}

int64_t KeyPositions::BytesFor(const ResamplerConfig& config, int64_t patches,
                               const PatchGrid& sides) {
  const int64_t rows = config.positions == ResamplerPositions::kStored
                           ? patches
                           : (std::max(sides.rows, sides.cols) + 1) / 2;
  return rows * config.width * static_cast<int64_t>(sizeof(float));
}

}  // namespace mcv
