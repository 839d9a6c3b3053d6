// Adaptive visual encoding: how a picture of any size becomes one overview and a grid of cells that
// the encoder sees at about the size it was trained on (MiniCPM-V paper, section 3.1). The numbers
// are those of the published processors, in doubles with Python's rounding, so that sizes agree to
// the pixel.
#pragma once

#include "family/config.h"

namespace mcv {

struct PixelSize {
  int width = 0;
  int height = 0;
  friend bool operator==(const PixelSize&, const PixelSize&) = default;
};

// What is cut from a picture. Views are ordered: the overview, then the cells row by row.
struct SlicePlan {
  PixelSize overview;  // the whole picture, resized to this
  int cols = 0;        // grid of cells; 0 x 0 if the picture is not cut
  int rows = 0;
  PixelSize refine;  // the picture before it is cut: cols x rows cells
  PixelSize cell;
  bool is_cut() const { return cols > 0; }
  int num_views() const { return 1 + cols * rows; }
};

// width, height >= 1; config is a validated one. Every resulting side is a positive multiple of
// config.patch. SliceRule::kSquash gives one square view.
SlicePlan PlanSlices(int width, int height, const SliceConfig& config);

}  // namespace mcv
