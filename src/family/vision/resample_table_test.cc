#include "family/vision/resample_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace mcv {
namespace {

// sin(0.7 row) * cos(0.3 column), one value per cell.
std::vector<float> Waves(int side) {
  std::vector<float> table;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      table.push_back(static_cast<float>(std::sin(0.7 * y)) *
                      static_cast<float>(std::cos(0.3 * x)));
    }
  }
  return table;
}

struct Spot {
  int row, col;
  float value;
};

// What PyTorch's interpolate computes from the same table.
TEST(ResampleTableTest, AgreesWithTheReferenceImplementation) {
  const auto wide = ResampleTable(Waves(27), 27, 1, 24, 43, TableFilter::kAntialiased);
  for (const Spot& want :
       {Spot{0, 0, 0.0526403f}, Spot{0, 42, 0.0017325f}, Spot{5, 17, 0.7438512f},
        Spot{12, 21, 0.0509149f}, Spot{23, 0, -0.6443146f}, Spot{23, 42, -0.0212060f}}) {
    EXPECT_NEAR(wide[size_t(want.row * 43 + want.col)], want.value, 1e-5);
  }
  const auto keys = ResampleTable(Waves(8), 8, 1, 32, 32, TableFilter::kPlain);
  for (const Spot& want :
       {Spot{0, 0, -0.0711232f}, Spot{0, 31, 0.0378898f}, Spot{5, 17, 0.2255434f},
        Spot{12, 21, 0.1184711f}, Spot{31, 0, -0.9995144f}, Spot{31, 31, 0.5324762f}}) {
    EXPECT_NEAR(keys[size_t(want.row * 32 + want.col)], want.value, 1e-5);
  }
}

TEST(ResampleTableTest, CopiesATableOfTheSameSide) {
  const std::vector<float> table = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(ResampleTable(table, 2, 2, 2, 2, TableFilter::kAntialiased), table);
}

TEST(ResampleTableTest, KeepsAConstantTable) {
  const std::vector<float> table(27 * 27 * 3, 0.25f);
  for (float value : ResampleTable(table, 27, 3, 10, 101, TableFilter::kAntialiased)) {
    ASSERT_FLOAT_EQ(value, 0.25f);
  }
}

// Plain bicubic (a = -0.75) of 8 to 32 at the fractions 1/8, 3/8, 5/8, 7/8 between samples: a ramp
// is not reproduced exactly by this kernel, so the weights themselves are compared.
TEST(ResampleTableTest, UsesTheSharpKernelForTheKeyTable) {
  std::vector<float> table(64, 0.0f);
  for (int y = 0; y < 8; ++y) table[size_t(y * 8 + 3)] = 1.0f;  // column 3 is lit
  const auto out = ResampleTable(table, 8, 1, 32, 32, TableFilter::kPlain);
  const auto kernel = [](double t) {
    const double a = -0.75;
    t = std::abs(t);
    if (t < 1) return (a + 2) * t * t * t - (a + 3) * t * t + 1;
    return t < 2 ? a * (t * t * t - 5 * t * t + 8 * t - 4) : 0.0;
  };
  for (int x = 0; x < 32; ++x) {
    EXPECT_NEAR(out[size_t(x)], kernel((x + 0.5) / 4 - 0.5 - 3), 1e-6) << "column " << x;
  }
}

TEST(ResampleTableTest, RepeatsTheEdgeBeyondTheTableInThePlainFilter) {
  std::vector<float> table(64, 0.0f);
  for (int y = 0; y < 8; ++y) table[size_t(y * 8)] = 1.0f;
  const auto out = ResampleTable(table, 8, 1, 32, 32, TableFilter::kPlain);
  // Output 0 lies at -0.375: samples -2, -1 and 0 all read the lit column, sample 1 does not.
  const double t = 1.375;
  EXPECT_NEAR(out[0], 1.0 - (-0.75) * (t * t * t - 5 * t * t + 8 * t - 4), 1e-6);
}

// A column 0..4 to three rows.
TEST(ResampleTableTest, WidensTheKernelWhenShrinking) {
  std::vector<float> table(25);
  for (int i = 0; i < 25; ++i) table[size_t(i)] = static_cast<float>(i / 5);
  const auto out = ResampleTable(table, 5, 1, 3, 5, TableFilter::kAntialiased);
  EXPECT_NEAR(out[1 * 5], 2.0f, 1e-6);           // the middle, by symmetry
  EXPECT_NEAR(out[0], 4.0f - out[2 * 5], 1e-6);  // mirrored ends
  EXPECT_GT(out[0], 0.0f);
  EXPECT_LT(out[0], 0.5f);
}

TEST(ResampleTableTest, TreatsRowsAndColumnsAlike) {
  std::vector<float> table(27 * 27), transposed(27 * 27);
  for (int y = 0; y < 27; ++y) {
    for (int x = 0; x < 27; ++x) {
      const float value = std::sin(0.7f * static_cast<float>(y)) + 0.1f * static_cast<float>(x * y);
      table[size_t(y * 27 + x)] = value;
      transposed[size_t(x * 27 + y)] = value;
    }
  }
  const auto a = ResampleTable(table, 27, 1, 24, 43, TableFilter::kAntialiased);
  const auto b = ResampleTable(transposed, 27, 1, 43, 24, TableFilter::kAntialiased);
  for (int y = 0; y < 24; ++y) {
    for (int x = 0; x < 43; ++x) {
      EXPECT_NEAR(a[size_t(y * 43 + x)], b[size_t(x * 24 + y)], 1e-5);
    }
  }
}

}  // namespace
}  // namespace mcv
