#include "family/vision/slicing.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/goldens.h"

namespace mcv {
namespace {

struct Case {
  int width, height;
  PixelSize overview;
  int cols, rows;
  PixelSize refine, cell;
};

void ExpectPlan(const Case& want, const SliceConfig& config = {}) {
  const SlicePlan plan = PlanSlices(want.width, want.height, config);
  const std::string what = std::to_string(want.width) + "x" + std::to_string(want.height);
  EXPECT_EQ(plan.cols, want.cols) << what;
  EXPECT_EQ(plan.rows, want.rows) << what;
  EXPECT_TRUE(plan.overview == want.overview)
      << what << ": overview " << plan.overview.width << "x" << plan.overview.height;
  EXPECT_TRUE(plan.refine == want.refine)
      << what << ": refine " << plan.refine.width << "x" << plan.refine.height;
  EXPECT_TRUE(plan.cell == want.cell)
      << what << ": cell " << plan.cell.width << "x" << plan.cell.height;
}

// Squares, areas just above and below the limit, phones, screens and thin strips.
TEST(SlicingTest, GivesTheSizesOfTheReferenceTable) {
  const Case cases[] = {
      {1, 1, {448, 448}, 0, 0, {}, {}},
      {20, 20, {448, 448}, 0, 0, {}, {}},
      {100, 50, {630, 322}, 0, 0, {}, {}},
      {448, 448, {448, 448}, 0, 0, {}, {}},
      {449, 448, {448, 448}, 2, 1, {644, 630}, {322, 630}},
      {448, 449, {448, 448}, 1, 2, {630, 644}, {630, 322}},
      {447, 449, {448, 448}, 0, 0, {}, {}},
      {640, 480, {518, 392}, 2, 1, {728, 546}, {364, 546}},
      {480, 640, {392, 518}, 1, 2, {546, 728}, {546, 364}},
      {600, 600, {448, 448}, 1, 2, {630, 644}, {630, 322}},
      {634, 634, {448, 448}, 2, 2, {896, 896}, {448, 448}},
      {800, 600, {518, 392}, 2, 2, {1036, 784}, {518, 392}},
      {1080, 1920, {336, 602}, 2, 4, {952, 1680}, {476, 420}},
      {1920, 1080, {602, 336}, 4, 2, {1680, 952}, {420, 476}},
      {1344, 1344, {448, 448}, 3, 3, {1344, 1344}, {448, 448}},
      {1345, 1344, {448, 448}, 3, 3, {1344, 1344}, {448, 448}},
      {4000, 3000, {518, 392}, 3, 3, {1554, 1176}, {518, 392}},
      {3024, 4032, {392, 518}, 3, 3, {1176, 1554}, {392, 518}},
      {1000, 100, {1414, 140}, 0, 0, {}, {}},
      {100, 1000, {140, 1414}, 0, 0, {}, {}},
      {2000, 200, {1414, 140}, 3, 1, {2436, 252}, {812, 252}},
  };
  for (const Case& want : cases) ExpectPlan(want);
}

TEST(SlicingTest, AgreesWithEveryRowOfTheReference) {
  MCV_GOLDEN_OR_SKIP(path, "slicing_cases.tsv");
  std::ifstream file(path);
  std::string header;
  std::getline(file, header);
  Case want;
  int rows = 0;
  while (file >> want.width >> want.height >> want.cols >> want.rows >> want.overview.width >>
         want.overview.height >> want.cell.width >> want.cell.height >> want.refine.width >>
         want.refine.height) {
    ExpectPlan(want);
    ++rows;
  }
  EXPECT_GE(rows, 100);
}

TEST(SlicingTest, NeverCutsWhenOnlyOneSliceIsAllowed) {
  SliceConfig config;
  config.max_slices = 1;
  ExpectPlan({1344, 1344, {448, 448}, 0, 0, {}, {}}, config);
  ExpectPlan({4000, 3000, {518, 392}, 0, 0, {}, {}}, config);
}

TEST(SlicingTest, KeepsToTheLargestNumberOfSlices) {
  for (int max_slices = 1; max_slices <= 20; ++max_slices) {
    SliceConfig config;
    config.max_slices = max_slices;
    for (int width : {300, 700, 1200, 5000}) {
      for (int height : {200, 900, 4000}) {
        const SlicePlan plan = PlanSlices(width, height, config);
        EXPECT_LE(plan.cols * plan.rows, max_slices);
        EXPECT_NE(plan.cols * plan.rows, 1);
      }
    }
  }
}

TEST(SlicingTest, SquashesToOneSquareViewForVersion1) {
  SliceConfig config;
  config.rule = SliceRule::kSquash;
  ExpectPlan({4000, 300, {448, 448}, 0, 0, {}, {}}, config);
  ExpectPlan({10, 10, {448, 448}, 0, 0, {}, {}}, config);
}

TEST(SlicingTest, ScalesWithTheResolutionOfSmallModels) {
  SliceConfig config;
  config.scale_resolution = 84;
  ExpectPlan({84, 84, {84, 84}, 0, 0, {}, {}}, config);
  ExpectPlan({252, 252, {84, 84}, 3, 3, {252, 252}, {84, 84}}, config);
  ExpectPlan({168, 84, {112, 56}, 2, 1, {168, 84}, {84, 84}}, config);
}

// int(448 / sqrt(ratio)) reaches a few pixels and then none; the sides stay at least one patch.
TEST(SlicingTest, KeepsEverySideAPositiveMultipleOfThePatchForAnyShape) {
  ExpectPlan({20000, 1, {60004, 14}, 0, 0, {}, {}});
  ExpectPlan({1, 20000, {14, 63350}, 0, 0, {}, {}});
  for (int scale_resolution : {14, 84, 448, 980}) {
    SliceConfig config;
    config.scale_resolution = scale_resolution;
    for (int width : {1, 2, 13, 100, 4096, 65535}) {
      for (int height : {1, 3, 77, 2048, 65535}) {
        const SlicePlan plan = PlanSlices(width, height, config);
        for (PixelSize size : {plan.overview, plan.is_cut() ? plan.cell : plan.overview}) {
          EXPECT_GE(size.width, 14);
          EXPECT_GE(size.height, 14);
          EXPECT_EQ(size.width % 14, 0);
          EXPECT_EQ(size.height % 14, 0);
        }
        EXPECT_EQ(plan.refine.width, plan.cols * plan.cell.width);
        EXPECT_EQ(plan.refine.height, plan.rows * plan.cell.height);
      }
    }
  }
}

}  // namespace
}  // namespace mcv
