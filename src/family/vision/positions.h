// Which row of the learned position table a patch uses: views of any shape share one square table
// through the fraction of the way along each axis.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "family/config.h"

namespace mcv {

struct PatchGrid {
  int rows = 0;
  int cols = 0;
  int num_patches() const { return rows * cols; }
};

// The position ids of one view, patches row by row.
struct ViewPositions {
  std::vector<int32_t> ids;  // num_patches + num_padding of them, each below table_side^2
  int num_patches = 0;
  // Zero patches that follow the view's own, take part in its attention inside the encoder and are
  // hidden from the resampler (2.5 as published). 0 under every other rule.
  int num_padding = 0;
};

// Buckets of n samples along an axis with `table_side` buckets: entry i is the bucket of i / n.
// kExact is floor(table_side * i / n). kFloat32 gives what the published code's fp32 arithmetic
// gives on x86: the bucket before, for some i where table_side * i / n is whole. It is published
// for a table of 70; the same arithmetic is used for other sides.
std::vector<int32_t> PositionBuckets(int n, int table_side, BucketRule rule);

// The ids of all views of ONE picture, in the views' order. Under PositionRule::kStrip the views
// depend on each other: all are padded to the longest. kInterpolated has no ids: the list holds the
// patch counts only.
std::vector<ViewPositions> PositionIds(std::span<const PatchGrid> views,
                                       const VisionConfig& config);

}  // namespace mcv
