#include "trainer/recipes/places.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace mcv::trainer {
namespace {

TEST(PlacesTest, OneForEachPatchOfTheOnlyGrid) {
  const std::vector<Place> places = SpreadPlaces({{PatchGrid{2, 3}, 1.0}}, 6);
  ASSERT_EQ(places.size(), 6u);
  for (size_t i = 0; i < places.size(); ++i) {
    EXPECT_NEAR(places[i].row, static_cast<double>(i / 3), 1e-9);
    EXPECT_NEAR(places[i].column, static_cast<double>(i % 3), 1e-9);
  }
}

TEST(PlacesTest, PicturesOfEveryShapeAreLookedAtFromEdgeToEdge) {
  DataConfig config;
  config.scene_share = 0.6;
  config.word_share = 0.4;
  config.line_share = 0.0;
  const std::vector<GridShare> grids = GridShares(config);
  double total = 0.0;
  for (const GridShare& share : grids) total += share.share;
  EXPECT_NEAR(total, 1.0, 1e-9);
  const std::vector<Place> places = SpreadPlaces(grids, 32);
  ASSERT_EQ(places.size(), 32u);
  // The commonest grid of each kind: every patch has a place within one and a half patches.
  for (const PatchGrid grid : {PatchGrid{6, 6}, PatchGrid{3, 12}}) {
    for (int row = 0; row < grid.rows; ++row) {
      for (int col = 0; col < grid.cols; ++col) {
        double nearest = 1e9;
        for (const Place& place : places) {
          nearest = std::min(nearest, std::hypot(place.column - col, place.row - row));
        }
        EXPECT_LT(nearest, 1.5) << grid.rows << "x" << grid.cols << " at " << row << "," << col;
      }
    }
  }
}

}  // namespace
}  // namespace mcv::trainer
