#include "bench/accepted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace mcv::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kTwoPercent = 0.02;

Verdict VerdictFor(Number accepted, Number now) {
  return Compare({{"kernel", accepted}}, {{"kernel", now}}, kTwoPercent)[0].verdict;
}

TEST(CompareTest, TheToleranceIsTheLimitOnBothSides) {
  EXPECT_EQ(VerdictFor({100000}, {100000}), Verdict::kSame);
  EXPECT_EQ(VerdictFor({100000}, {102000}), Verdict::kSame);
  EXPECT_EQ(VerdictFor({100000}, {102001}), Verdict::kHigher);
  EXPECT_EQ(VerdictFor({100000}, {98000}), Verdict::kSame);
  EXPECT_EQ(VerdictFor({100000}, {97999}), Verdict::kLower);
}

TEST(CompareTest, NoisyNumbersPassWithinTheirSpread) {
  EXPECT_EQ(VerdictFor({0.50, 0.20}, {0.58}), Verdict::kSame);
  EXPECT_EQ(VerdictFor({0.50}, {0.42, 0.20}), Verdict::kSame);
  EXPECT_EQ(VerdictFor({0.50, 0.20}, {0.39, 0.10}), Verdict::kLower);
}

TEST(CompareTest, AKernelOfOneSideOnlyIsNoticed) {
  const auto comparisons =
      Compare({{"gone", {1}}, {"kept", {1}}}, {{"fresh", {1}}, {"kept", {1}}}, kTwoPercent);
  ASSERT_EQ(comparisons.size(), 3u);
  EXPECT_EQ(comparisons[0].name, "fresh");
  EXPECT_EQ(comparisons[0].verdict, Verdict::kNew);
  EXPECT_EQ(comparisons[1].name, "gone");
  EXPECT_EQ(comparisons[1].verdict, Verdict::kMissing);
  EXPECT_EQ(comparisons[2].verdict, Verdict::kSame);
}

TEST(MedianTest, HoldsTheMiddleAndTheSpread) {
  EXPECT_EQ(MedianOf({4, 1, 2}), (Number{2, 1.5}));
  EXPECT_EQ(MedianOf({1, 3}), (Number{2, 1}));
  EXPECT_EQ(MedianOf({7}), (Number{7, 0}));
  EXPECT_EQ(MedianOf({4, 1, 9, 5}).spread, 8 / 4.5);
  EXPECT_EQ(MedianOf({4, 1, 9, 5, 4}), (Number{4, 0.25}));
}

TEST(AcceptedFileTest, ReadsWhatItWrote) {
  Accepted accepted;
  accepted.about = {{"compiler", "GCC \"12\""}};
  accepted.numbers = {{"avx2/gemv/Q4_K", {51234}}, {"Gemv/Q4_K", {0.75, 0.25}}};
  const std::string path =
      (std::filesystem::path(testing::TempDir()) / "accepted_test/new/numbers.json").string();
  ASSERT_TRUE(WriteAccepted(path, accepted).ok());
  const Result<Accepted> read = ReadAccepted(path);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->about, accepted.about);
  EXPECT_EQ(read->numbers, accepted.numbers);
}

TEST(AcceptedFileTest, EveryNumberHasALineOfItsOwn) {
  EXPECT_EQ(AcceptedText({{{"made by", "hand"}}, {{"a", {12}}, {"b", {0.5, 0.25}}}}),
            "{\n"
            "  \"about\": {\n"
            "    \"made by\": \"hand\"\n"
            "  },\n"
            "  \"numbers\": {\n"
            "    \"a\": 12,\n"
            "    \"b\": {\"median\":0.5,\"spread\":0.25}\n"
            "  }\n"
            "}\n");
}

TEST(AcceptedFileTest, SaysWhatIsWrongWithAFile) {
  const auto error = [](std::string_view text) { return ParseAccepted(text).status().ToString(); };
  for (const char* text :
       {"", "[]", "{}", "{\"about\": {}}", "{\"about\": {}, \"numbers\": [1]}"}) {
    EXPECT_THAT(error(text), HasSubstr("expected JSON with the objects")) << text;
  }
  EXPECT_THAT(error("{\"about\": {\"x\": 1}, \"numbers\": {}}"), HasSubstr("about \"x\""));
  for (const char* number : {"\"7\"", "-1", "0", "null", "{}", "{\"median\": 1}"}) {
    const std::string text =
        std::string("{\"about\": {}, \"numbers\": {\"gemv\": ") + number + "}}";
    EXPECT_THAT(error(text), HasSubstr("\"gemv\": expected a number")) << text;
  }
  EXPECT_THAT(ReadAccepted("/nowhere/x.json").status().ToString(), HasSubstr("/nowhere/x.json"));
}

TEST(AcceptedFileTest, TellsWhoseNumbersTheyAre) {
  const Accepted accepted = {{{"compiler", "GCC 12.2.0"}, {"made by", "./dev"}}, {}};
  EXPECT_EQ(Difference(accepted, {{"compiler", "GCC 12.2.0"}}), "");
  EXPECT_EQ(Difference(accepted, {{"compiler", "GCC 13.1.0"}, {"architecture", "x86_64"}}),
            "architecture: not told, here x86_64; compiler: GCC 12.2.0, here GCC 13.1.0");
}

}  // namespace
}  // namespace mcv::bench
