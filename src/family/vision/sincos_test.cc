#include "family/vision/sincos.h"

#include <gtest/gtest.h>

#include <vector>

namespace mcv {
namespace {

TEST(SinCosTest, GivesTheReferenceValuesAtRow3Column5) {
  const struct {
    int width;
    double second_of_x, second_of_y;
  } cases[] = {
      {2304, -0.978385, 0.188055}, {4096, -0.970659, 0.167659}, {3584, -0.972169, 0.171422}};
  for (const auto& want : cases) {
    const size_t width = static_cast<size_t>(want.width);
    std::vector<float> table(4 * 6 * width);
    FillSinCosTable(4, 6, want.width, table);
    const float* at = &table[(3 * 6 + 5) * width];
    EXPECT_NEAR(at[0], -0.958924, 1e-6);
    EXPECT_NEAR(at[width / 4], 0.283662, 1e-6);
    EXPECT_NEAR(at[width / 2], 0.141120, 1e-6);
    EXPECT_NEAR(at[3 * width / 4], -0.989992, 1e-6);
    EXPECT_NEAR(at[1], want.second_of_x, 1e-6);
    EXPECT_NEAR(at[width / 2 + 1], want.second_of_y, 1e-6);
  }
}

TEST(SinCosTest, IsTheColumnsAxisThenTheRowsAxis) {
  const int rows = 3, cols = 101, width = 32;
  std::vector<float> table(size_t{rows} * cols * width);
  FillSinCosTable(rows, cols, width, table);
  const std::vector<float> axis = SinCosAxis(cols, width);
  for (size_t y = 0; y < rows; ++y) {
    for (size_t x = 0; x < cols; ++x) {
      for (size_t i = 0; i < width / 2; ++i) {
        ASSERT_EQ(table[(y * cols + x) * width + i], axis[x * (width / 2) + i]);
        ASSERT_EQ(table[(y * cols + x) * width + width / 2 + i], axis[y * (width / 2) + i]);
      }
    }
  }
}

}  // namespace
}  // namespace mcv
