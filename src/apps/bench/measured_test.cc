#include "apps/bench/measured.h"

#include <gtest/gtest.h>

namespace mcv::bench {
namespace {

TEST(MeasuredTest, SurvivesJson) {
  Measured run;
  run.encode_seconds = 12.5;
  run.load_seconds = 0.25;
  run.views = 10;
  run.prompt_tokens = 1019;
  run.wall_seconds = 31.0;
  run.peak_resident_bytes = 4'870'000'000u;
  const auto back = MeasuredFromJson(ToJson(run));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(ToJson(*back), ToJson(run));
  EXPECT_FALSE(back->tokens_per_second.has_value());
  EXPECT_EQ(back->peak_resident_bytes, 4'870'000'000u);
}

TEST(MeasuredTest, OtherJsonIsRefused) {
  for (const char* text :
       {"[]", "3", "null", R"({"views": "many"})", R"({"views": -1})", R"({"views": 1e300})",
        R"({"encode_seconds": null})", R"({"peak_resident_bytes": 1e30})"}) {
    EXPECT_FALSE(MeasuredFromJson(nlohmann::json::parse(text)).ok()) << text;
  }
  EXPECT_FALSE(MeasuredFromJson(nlohmann::json::parse("no", nullptr, false)).ok());
}

TEST(MeasuredTest, ARowTakesItsValueFromTheRun) {
  Measured run;
  run.encode_seconds = 30.0;
  run.views = 10;
  run.wall_seconds = 40.0;
  run.peak_resident_bytes = 5000;
  EXPECT_DOUBLE_EQ(*ValueOf({RowKind::kEncodePicture}, run), 3.0);
  EXPECT_DOUBLE_EQ(*ValueOf({RowKind::kFirstTokenWarm}, run), 40.0);
  EXPECT_DOUBLE_EQ(*ValueOf({RowKind::kMemory}, run), 5000.0);
  EXPECT_FALSE(ValueOf({RowKind::kLoad}, run).has_value());
  EXPECT_FALSE(ValueOf({RowKind::kPrefill, 96}, run).has_value());
  run.views = 0;
  EXPECT_FALSE(ValueOf({RowKind::kEncodeView}, run).has_value());
}

TEST(MeasuredTest, MedianIsTheMiddle) {
  EXPECT_EQ(Median({3.0}), 3.0);
  EXPECT_EQ(Median({9.0, 1.0, 2.0}), 2.0);
  EXPECT_EQ(Median({4.0, 1.0, 2.0, 100.0}), 3.0);
}

}  // namespace
}  // namespace mcv::bench
