// The ladder's steps, its table and picture, and going on from a file. What really runs in each
// step is tests/cli/bench_program_test.cc.
#include "apps/bench/ladder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "apps/bench/xml_check.h"

namespace mcv::bench {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

LadderResults SomeResults() {
  LadderResults results;
  results.settings = {{"program", "1"}, {"model", "a.gguf"}};
  results.machine = {{"processor", "A <fast> one"}};
  results.date = "2026-01-02";
  double speed = 1.0;
  for (LadderStep& step : LadderSteps("avx2", "")) {
    Measured run;
    run.encode_seconds = 40.0 / speed;
    run.views = 1;
    run.prompt_tokens = 120;
    run.prefill_seconds = 60.0 / speed;
    run.decode_rate = 0.5 * speed;
    run.peak_resident_bytes = step.key == "none" ? 6'000'000'000u : 5'000'000'000u;
    run.own_bytes = 400'000'000;
    run.answer = {5, 6, 7};
    run.setup = "kernels of " + step.key;
    results.steps.push_back({std::move(step), {run}});
    speed *= 2;
  }
  return results;
}

TEST(LadderTest, EachStepKeepsWhatTheOnesBeforeHave) {
  const auto steps = LadderSteps("avx2", "tuned.json");
  ASSERT_EQ(steps.size(), 5u);
  for (size_t i = 0; i < steps.size(); ++i) {
    SCOPED_TRACE(steps[i].title);
    const auto& options = steps[i].options;
    const auto has = [&](const char* word) {
      return std::find(options.begin(), options.end(), word) != options.end();
    };
    EXPECT_EQ(has("--no-mmap"), i < 1);
    EXPECT_TRUE(has(i < 2 ? "portable" : "avx2"));
    EXPECT_EQ(has("--encoder-numerics"), i < 4);
    EXPECT_EQ(has("--threads"), i < 3);
    EXPECT_TRUE(has(i < 3 ? "off" : "tuned.json"));
  }
  EXPECT_THAT(LadderSteps("avx2", "").back().options, Not(Contains("--tuning")));
}

TEST(LadderTest, ValuesComeFromOneRun) {
  const LadderResults results = SomeResults();
  const Measured& run = results.steps[0].runs[0];
  EXPECT_EQ(ValueOf(LadderMeasure::kEncode, run), 40.0);
  EXPECT_EQ(ValueOf(LadderMeasure::kFirstToken, run), 100.0);
  EXPECT_EQ(ValueOf(LadderMeasure::kPrefill, run), 2.0);
  EXPECT_EQ(ValueOf(LadderMeasure::kDecode, run), 0.5);
  EXPECT_EQ(ValueOf(LadderMeasure::kMemory, run), 6e9);
  EXPECT_EQ(ValueOf(LadderMeasure::kFirstToken, Measured()), std::nullopt);
}

TEST(LadderTest, TimesAreAgainstTheFirstStep) {
  const LadderResults results = SomeResults();
  EXPECT_EQ(TimesOf(LadderMeasure::kEncode, results, 0), 1.0);
  EXPECT_EQ(TimesOf(LadderMeasure::kEncode, results, 4), 16.0);
  EXPECT_EQ(TimesOf(LadderMeasure::kDecode, results, 3), 8.0);
  EXPECT_EQ(TimesOf(LadderMeasure::kMemory, results, 1), 1.2);
  EXPECT_NEAR(*PaperTimesOf(LadderMeasure::kEncode, results, 4), 45.2 / 1.3, 1e-9);
  EXPECT_NEAR(*PaperTimesOf(LadderMeasure::kDecode, results, 4), 8.2 / 1.3, 1e-9);
  EXPECT_EQ(PaperTimesOf(LadderMeasure::kMemory, results, 4), std::nullopt);
}

TEST(LadderTest, TheTableHasEveryStepAndThePapersFigures) {
  const std::string text = LadderText(SomeResults());
  for (const char* part :
       {"| none | 40.0 s | 45.2 s | 100 s | 64.2 s | 2.00 tokens/s | 0.50 tokens/s | 1.30 tokens/s "
        "| 6.00 GB | 400 MB |",
        "| + encoder | 16.0 | 34.8 | 16.0 | 6.00 | 16.0 | 16.0 | 6.31 | 1.20 |",
        "(kernels of compilation)", "all 5 steps gave the same 3 tokens", "a prompt of 120 tokens",
        "Xiaomi 14 Pro"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(LadderTest, AnAnswerThatDiffersIsTold) {
  LadderResults results = SomeResults();
  results.steps[2].runs[0].answer = {5, 9, 7};
  results.steps[4].runs[0].answer = {5, 6};
  EXPECT_THAT(AnswersText(results), HasSubstr("'+ compilation' from token 2 on"));
  EXPECT_THAT(AnswersText(results), HasSubstr("'+ encoder' from token 3 on"));
  for (StepSamples& samples : results.steps) samples.runs.clear();
  EXPECT_EQ(AnswersText(results), "");
}

TEST(LadderTest, ThePictureIsWellFormed) {
  LadderResults results = SomeResults();
  const std::string svg = LadderSvg(results);
  EXPECT_EQ(MistakeIn(svg), "");
  EXPECT_THAT(svg, HasSubstr("A &lt;fast&gt; one"));
  EXPECT_THAT(svg, HasSubstr("paper: + NPU"));
  EXPECT_THAT(svg, HasSubstr("2.50 s (16.0)"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  for (StepSamples& samples : results.steps) samples.runs.clear();
  EXPECT_EQ(MistakeIn(LadderSvg(results)), "");
  EXPECT_THAT(LadderText(results), Not(HasSubstr("| + NPU |")));
}

TEST(LadderTest, AFileIsGoneOnWith) {
  const LadderResults results = SomeResults();
  const std::string text = ToJson(results).dump();
  LadderResults later = SomeResults();
  later.date = "2027";
  for (StepSamples& samples : later.steps) samples.runs.clear();
  ASSERT_TRUE(TakeEarlierRuns(text, &later).ok());
  EXPECT_EQ(ToJson(later), ToJson(results));

  later.settings["model"] = "b.gguf";
  EXPECT_THAT(TakeEarlierRuns(text, &later).message(), HasSubstr("was 'a.gguf', is 'b.gguf'"));
  later = SomeResults();
  later.steps[1].step.options = {"--threads", "9"};
  EXPECT_EQ(TakeEarlierRuns(text, &later).code(), StatusCode::kInvalidArgument);
}

TEST(LadderTest, WhatIsNoFileOfItIsRefused) {
  LadderResults results = SomeResults();
  for (const char* text :
       {"", "{", "[]", "{\"format\": 1}",
        "{\"format\": \"minicpmv bench ladder 1\", \"settings\": {}, \"steps\": [1,2,3,4,5]}"}) {
    EXPECT_FALSE(TakeEarlierRuns(text, &results).ok()) << text;
  }
  nlohmann::json json = ToJson(results);
  json["steps"][2]["runs"][0]["answer"] = {-1};
  EXPECT_EQ(TakeEarlierRuns(json.dump(), &results).code(), StatusCode::kCorrupt);
  json["steps"][2]["runs"] = 7;
  EXPECT_EQ(TakeEarlierRuns(json.dump(), &results).code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace mcv::bench
