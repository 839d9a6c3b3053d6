#include "model/vision/patch_embedding.h"

#include <numeric>

#include "base/trace.h"
#include "family/vision/resample_table.h"

namespace mcv {

ConstMatView StretchedTable::For(const PatchGrid& grid, const VisionWeights& weights,
                                 const VisionConfig& config, Context& ctx) {
  const int64_t table_rows = weights.positions.rows;
  const int64_t width = config.width;
  if (table_.empty()) {
    std::vector<int32_t> ids(static_cast<size_t>(table_rows));
    std::iota(ids.begin(), ids.end(), 0);
    table_.resize(static_cast<size_t>(table_rows * width));
    EmbedRows(weights.positions, ids, 1.0f, {table_.data(), table_rows, width}, ctx);
  }
  if (grid_.rows != grid.rows || grid_.cols != grid.cols) {
    stretched_ = ResampleTable(table_, config.table_side, config.width, grid.rows, grid.cols,
                               TableFilter::kAntialiased);
    grid_ = grid;
  }
  return {stretched_.data(), grid.num_patches(), width};
}

int64_t StretchedTable::BytesFor(const VisionConfig& config, int64_t patches, int64_t cols) {
  if (config.position_rule != PositionRule::kInterpolated) return 0;
  const int64_t side = config.table_side;
  return (side * side + side * cols + patches) * config.width * static_cast<int64_t>(sizeof(float));
}

void EmbedPatches(const VisionWeights& w, const VisionConfig& config, const PatchGrid& grid,
                  const ViewPositions& positions, StretchedTable& stretched, VisionActivations& act,
                  Context& ctx) {
  TraceScope scope(ctx.trace, Zone::kPatchEmbed);
  MatMul(act.patches, w.patch.weight, {.bias = w.patch.bias}, act.x, ctx);  // [N, C]
  if (config.position_rule == PositionRule::kInterpolated) {
    AddScaled(stretched.For(grid, w, config, ctx), 1.0f, act.x, ctx);
    return;
  }
  EmbedRows(w.positions, positions.ids, 1.0f, act.normed, ctx);  // [N, C]
  AddScaled(act.normed, 1.0f, act.x, ctx);
}

}  // namespace mcv
