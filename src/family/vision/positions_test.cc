#include "family/vision/positions.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/goldens.h"

namespace mcv {
namespace {

using Ids = std::vector<int32_t>;

VisionConfig Config(PositionRule position_rule, BucketRule bucket_rule) {
  VisionConfig config;
  config.position_rule = position_rule;
  config.bucket_rule = bucket_rule;
  return config;
}

TEST(PositionsTest, ExactBucketsAreTheFloorOfTheFraction) {
  EXPECT_EQ(PositionBuckets(28, 70, BucketRule::kExact),
            (Ids{0,  2,  5,  7,  10, 12, 15, 17, 20, 22, 25, 27, 30, 32,
                 35, 37, 40, 42, 45, 47, 50, 52, 55, 57, 60, 62, 65, 67}));
  for (int n : {1, 7, 70, 140, 1024, 1300, 4286}) {
    const Ids buckets = PositionBuckets(n, 70, BucketRule::kExact);
    ASSERT_EQ(buckets.size(), static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(buckets[size_t(i)], 70 * i / n);
  }
}

TEST(PositionsTest, Float32BucketsFallShortWhereTheFractionIsWhole) {
  const Ids exact = PositionBuckets(25, 70, BucketRule::kExact);
  const Ids rounded = PositionBuckets(25, 70, BucketRule::kFloat32);
  for (int i = 0; i < 25; ++i) {
    const bool tie = i == 5 || i == 10 || i == 15 || i == 20;
    EXPECT_EQ(rounded[size_t(i)], exact[size_t(i)] - (tie ? 1 : 0)) << i;
  }
}

TEST(PositionsTest, Float32BucketsAgreeWithEveryRowOfTheReference) {
  MCV_GOLDEN_OR_SKIP(path, "position_buckets.tsv");
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  int rows = 0;
  while (std::getline(file, line)) {
    for (char& c : line) c = c == ',' ? ' ' : c;
    std::istringstream words(line);
    int n = 0;
    words >> n;
    Ids want;
    for (int bucket; words >> bucket;) want.push_back(bucket);
    EXPECT_EQ(PositionBuckets(n, 70, BucketRule::kFloat32), want) << "n = " << n;
    ++rows;
  }
  EXPECT_GE(rows, 100);
}

TEST(PositionsTest, BucketsStayInsideAnyTable) {
  for (int side : {1, 2, 8, 70}) {
    for (int n : {1, 3, 69, 70, 71, 4700}) {
      for (BucketRule rule : {BucketRule::kExact, BucketRule::kFloat32}) {
        const Ids buckets = PositionBuckets(n, side, rule);
        EXPECT_EQ(buckets.front(), 0);
        EXPECT_LT(buckets.back(), side);
        EXPECT_TRUE(std::is_sorted(buckets.begin(), buckets.end()));
      }
    }
  }
}

TEST(PositionsTest, GridRuleCombinesRowAndColumn) {
  const PatchGrid views[] = {{2, 3}, {1, 1}};
  const auto positions = PositionIds(views, Config(PositionRule::kGrid, BucketRule::kExact));
  ASSERT_EQ(positions.size(), 2u);
  EXPECT_EQ(positions[0].ids, (Ids{0, 23, 46, 35 * 70, 35 * 70 + 23, 35 * 70 + 46}));
  EXPECT_EQ(positions[0].num_patches, 6);
  EXPECT_EQ(positions[0].num_padding, 0);
  EXPECT_EQ(positions[1].ids, Ids{0});
}

TEST(PositionsTest, StripRulePadsEveryViewToTheLongest) {
  const PatchGrid views[] = {{1, 3}, {2, 2}, {1, 4}};
  const auto positions = PositionIds(views, Config(PositionRule::kStrip, BucketRule::kExact));
  for (const ViewPositions& view : positions) EXPECT_EQ(view.ids, (Ids{0, 17, 35, 52}));
  EXPECT_EQ(positions[0].num_patches, 3);
  EXPECT_EQ(positions[0].num_padding, 1);
  EXPECT_EQ(positions[1].num_padding, 0);
}

TEST(PositionsTest, InterpolatedRuleHasNoIds) {
  const PatchGrid views[] = {{4, 5}};
  const auto positions =
      PositionIds(views, Config(PositionRule::kInterpolated, BucketRule::kFloat32));
  EXPECT_TRUE(positions[0].ids.empty());
  EXPECT_EQ(positions[0].num_patches, 20);
}

}  // namespace
}  // namespace mcv
