#include "family/vision/slicing.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/status.h"

namespace mcv {
namespace {

// length as a multiple of step, at least one step. std::nearbyint rounds halves to even, as
// Python's round does: C's round() would be a whole patch off for 35/14, 63/14, ...
int Divisible(double length, int step) {
  const double steps = std::nearbyint(length / step);
  return std::max(static_cast<int>(steps) * step, step);
}

// A size of the same shape with about resolution^2 pixels. Unless `enlarge`, smaller ones stay.
// The width is taken from the height after truncation, which is what the reference does too.
PixelSize BestResize(double width, double height, const SliceConfig& config, bool enlarge) {
  const double resolution = config.scale_resolution;
  if (enlarge || width * height > resolution * resolution) {
    const double ratio = width / height;
    height = std::trunc(resolution / std::sqrt(ratio));
    width = std::trunc(height * ratio);
  }
  return {Divisible(width, config.patch), Divisible(height, config.patch)};
}

struct Grid {
  int cols = 0;
  int rows = 0;
};

// Of all grids with about `multiple` cells, the one whose shape is nearest to the picture's. Ties
// go to the first: fewer cells, then fewer columns.
Grid BestGrid(double width, double height, int multiple, int max_slices) {
  const double log_ratio = std::log(width / height);
  double least_error = std::numeric_limits<double>::infinity();
  Grid best{1, 1};
  for (int cells = std::max(multiple - 1, 2); cells <= std::min(multiple + 1, max_slices);
       ++cells) {
    for (int cols = 1; cols <= cells; ++cols) {
      if (cells % cols != 0) continue;
      const int rows = cells / cols;
      const double error = std::abs(log_ratio - std::log(static_cast<double>(cols) / rows));
      if (error < least_error) {
        least_error = error;
        best = {cols, rows};
      }
    }
  }
  return best;
}

}  // namespace

SlicePlan PlanSlices(int width, int height, const SliceConfig& config) {
  MCV_CHECK(width > 0 && height > 0 && config.patch > 0 && config.scale_resolution > 0);
  SlicePlan plan;
  if (config.rule == SliceRule::kSquash) {
    plan.overview = {Divisible(config.scale_resolution, config.patch),
                     Divisible(config.scale_resolution, config.patch)};
    return plan;
  }
  const double w = width;
  const double h = height;
  const double area = static_cast<double>(config.scale_resolution) * config.scale_resolution;
  const double multiple = std::min(std::ceil(w * h / area), static_cast<double>(config.max_slices));
  if (multiple <= 1) {
    plan.overview = BestResize(w, h, config, /*enlarge=*/true);
    return plan;
  }
  plan.overview = BestResize(w, h, config, /*enlarge=*/false);
  const Grid grid = BestGrid(w, h, static_cast<int>(multiple), config.max_slices);
  plan.cols = grid.cols;
  plan.rows = grid.rows;
  // The picture is first made divisible by the grid, then a cell of it by the patch.
  const double cell_width = static_cast<double>(Divisible(w, grid.cols)) / grid.cols;
  const double cell_height = static_cast<double>(Divisible(h, grid.rows)) / grid.rows;
  plan.cell = BestResize(cell_width, cell_height, config, /*enlarge=*/true);
  plan.refine = {plan.cell.width * grid.cols, plan.cell.height * grid.rows};
  return plan;
}

}  // namespace mcv
