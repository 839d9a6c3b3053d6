#include "family/vision/positions.h"

#include <algorithm>

#include "base/status.h"

namespace mcv {
namespace {

// i / n as torch.arange(0, 1 - 1e-6, 1/n) gives it on x86: whole blocks of 16 are made by a
// vectorised loop of 8 lanes (a base in fp32, plus the lane's offset), the rest one by one.
float FractionOf(int i, int n) {
  const double step = static_cast<double>(1.0f / static_cast<float>(n));
  if (i >= n / 16 * 16) return static_cast<float>(i * step);
  const int first = i / 8 * 8;
  const float base = static_cast<float>(first * step);
  return static_cast<float>(static_cast<double>(base) + (i % 8) * step);
}

// The upper ends of all buckets but the last, as torch.arange(1/side, 1, 1/side) gives them.
std::vector<float> Boundaries(int side) {
  const double width = 1.0 / side;
  std::vector<float> boundaries;
  for (int k = 0; k + 1 < side; ++k) {
    boundaries.push_back(static_cast<float>(width + static_cast<double>(k) / side));
  }
  return boundaries;
}

// The published 2.5 code tells the encoder that a view is a single row of as many patches as the
// longest view of the picture has, and masks nothing (model-spec 1.3.4).
std::vector<ViewPositions> StripIds(std::span<const PatchGrid> views, const VisionConfig& config) {
  int longest = 0;
  for (const PatchGrid& grid : views) longest = std::max(longest, grid.num_patches());
  const std::vector<int32_t> ids = PositionBuckets(longest, config.table_side, config.bucket_rule);
  std::vector<ViewPositions> positions;
  for (const PatchGrid& grid : views) {
    positions.push_back({ids, grid.num_patches(), longest - grid.num_patches()});
  }
  return positions;
}

ViewPositions GridIds(const PatchGrid& grid, const VisionConfig& config) {
  const auto rows = PositionBuckets(grid.rows, config.table_side, config.bucket_rule);
  const auto cols = PositionBuckets(grid.cols, config.table_side, config.bucket_rule);
  ViewPositions positions;
  positions.num_patches = grid.num_patches();
  positions.ids.reserve(static_cast<size_t>(grid.num_patches()));
  for (int32_t row : rows) {
    for (int32_t col : cols) positions.ids.push_back(row * config.table_side + col);
  }
  return positions;
}

}  // namespace

std::vector<int32_t> PositionBuckets(int n, int table_side, BucketRule rule) {
  MCV_CHECK(n >= 0 && table_side > 0);
  std::vector<int32_t> buckets;
  buckets.reserve(static_cast<size_t>(n));
  if (rule == BucketRule::kExact) {
    for (int64_t i = 0; i < n; ++i) buckets.push_back(static_cast<int32_t>(table_side * i / n));
    return buckets;
  }
  const std::vector<float> boundaries = Boundaries(table_side);
  for (int i = 0; i < n; ++i) {
    const auto above = std::upper_bound(boundaries.begin(), boundaries.end(), FractionOf(i, n));
    buckets.push_back(static_cast<int32_t>(above - boundaries.begin()));
  }
  return buckets;
}

std::vector<ViewPositions> PositionIds(std::span<const PatchGrid> views,
                                       const VisionConfig& config) {
  if (config.position_rule == PositionRule::kStrip) return StripIds(views, config);
  std::vector<ViewPositions> positions;
  for (const PatchGrid& grid : views) {
    if (config.position_rule == PositionRule::kGrid) {
      positions.push_back(GridIds(grid, config));
    } else {
      positions.push_back({{}, grid.num_patches(), 0});
    }
  }
  return positions;
}

}  // namespace mcv
