#include "family/vision/placeholders.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mcv {
namespace {

using Kind = PlaceholderPiece::Kind;

const PlaceholderStyle kV20{PlaceholderFormat::kSliceBlock, false, 64};
const PlaceholderStyle kV25{PlaceholderFormat::kSliceBlock, false, 96};
const PlaceholderStyle kV26{PlaceholderFormat::kSliceTags, false, 64};

int CountTokens(const std::vector<PlaceholderPiece>& pieces) {
  int tokens = 0;
  for (const auto& piece : pieces) tokens += piece.kind == Kind::kQueries ? piece.num_queries : 1;
  return tokens;
}

TEST(PlaceholdersTest, CountsTheTokensOfTheReferenceTable) {
  const struct {
    int width, height, v20, v25, v26;
  } cases[] = {
      {1, 1, 66, 98, 66},          {100, 50, 66, 98, 66},       {448, 448, 66, 98, 66},
      {449, 448, 200, 296, 198},   {448, 449, 201, 297, 199},   {640, 480, 200, 296, 198},
      {600, 600, 201, 297, 199},   {634, 634, 333, 493, 331},   {1080, 1920, 599, 887, 597},
      {1920, 1080, 597, 885, 595}, {1344, 1344, 664, 984, 662}, {4000, 3000, 664, 984, 662},
      {1000, 100, 66, 98, 66},     {2000, 200, 266, 394, 264},
  };
  for (const auto& want : cases) {
    const SlicePlan plan = PlanSlices(want.width, want.height, {});
    EXPECT_EQ(CountTokens(ImagePlaceholder(plan, kV20, 0)), want.v20) << want.width;
    EXPECT_EQ(CountTokens(ImagePlaceholder(plan, kV25, 0)), want.v25) << want.width;
    EXPECT_EQ(CountTokens(ImagePlaceholder(plan, kV26, 0)), want.v26) << want.width;
  }
}

SlicePlan TwoByTwo() {
  SlicePlan plan;
  plan.cols = plan.rows = 2;
  return plan;
}

TEST(PlaceholdersTest, WrapsTheCellsOfVersion2And25InOneBlock) {
  const PlaceholderStyle style{PlaceholderFormat::kSliceBlock, false, 1};
  EXPECT_EQ(PlaceholderText(ImagePlaceholder(TwoByTwo(), style, 3)),
            "<image><unk></image><slice><image><unk></image><image><unk></image>\n"
            "<image><unk></image><image><unk></image></slice>");
  EXPECT_EQ(PlaceholderText(ImagePlaceholder(SlicePlan{}, style, 3)), "<image><unk></image>");
}

TEST(PlaceholdersTest, NumbersThePictureAndTagsTheCellsOfVersion26) {
  const PlaceholderStyle style{PlaceholderFormat::kSliceTags, true, 2};
  EXPECT_EQ(PlaceholderText(ImagePlaceholder(TwoByTwo(), style, 12)),
            "<image_id>12</image_id><image><unk><unk></image>"
            "<slice><unk><unk></slice><slice><unk><unk></slice>\n"
            "<slice><unk><unk></slice><slice><unk><unk></slice>");
}

TEST(PlaceholdersTest, NamesTheViewsInTheOrderOfTheirFeatures) {
  const auto pieces = ImagePlaceholder(TwoByTwo(), kV26, 0);
  int view = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].kind != Kind::kQueries) continue;
    EXPECT_EQ(pieces[i].view, view++);
    EXPECT_EQ(pieces[i - 1].kind, Kind::kSpecial);
    EXPECT_EQ(pieces[i + 1].kind, Kind::kSpecial);
  }
  EXPECT_EQ(view, 5);
}

TEST(PlaceholdersTest, TakesTheStyleFromTheVersion) {
  ModelConfig config;
  config.resampler.queries = 96;
  config.version = Version::kV2_5;
  EXPECT_EQ(StyleOf(config).format, PlaceholderFormat::kSliceBlock);
  EXPECT_EQ(StyleOf(config).queries, 96);
  EXPECT_FALSE(StyleOf(config).use_image_id);
  config.version = Version::kV2_6;
  EXPECT_EQ(StyleOf(config).format, PlaceholderFormat::kSliceTags);
  EXPECT_TRUE(StyleOf(config).use_image_id);
}

}  // namespace
}  // namespace mcv
