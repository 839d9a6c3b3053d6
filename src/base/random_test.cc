#include "base/random.h"

#include <gtest/gtest.h>

namespace mcv {
namespace {

TEST(RandomStream, IsAFunctionOfItsKeyAndPosition) {
  RandomStream a(7, 3), b(7, 3);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.NextBits(), b.NextBits());
  const uint64_t next = a.NextBits();
  b.set_position(100);
  EXPECT_EQ(b.NextBits(), next);
  EXPECT_NE(RandomStream(7, 4).NextBits(), RandomStream(7, 3).NextBits());
}

TEST(RandomStream, UniformAndNormalHaveTheirMoments) {
  RandomStream stream(1);
  double sum = 0, normal_sum = 0, normal_squares = 0;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) {
    sum += stream.NextDouble();
    const double normal = stream.Normal();
    normal_sum += normal;
    normal_squares += normal * normal;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.005);
  EXPECT_NEAR(normal_sum / kDraws, 0.0, 0.01);
  EXPECT_NEAR(normal_squares / kDraws, 1.0, 0.02);
}

TEST(RandomStream, BelowCoversItsRange) {
  RandomStream stream(2);
  int counts[5] = {};
  for (int i = 0; i < 50000; ++i) ++counts[stream.Below(5)];
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);
}

}  // namespace
}  // namespace mcv
