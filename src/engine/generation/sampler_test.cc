#include "engine/generation/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace mcv {
namespace {

std::map<int32_t, int> Draw(const SamplingOptions& options, const std::vector<float>& logits,
                            int draws) {
  Sampler sampler(options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[sampler.Choose(logits, {}, {}, i)];
  return counts;
}

SamplingOptions Warm() {
  SamplingOptions options;
  options.temperature = 1.0f;
  options.seed = 7;
  return options;
}

TEST(SamplerTest, GreedyTakesTheLargestAndTheLowerIdOnATie) {
  Sampler sampler({});
  EXPECT_EQ(sampler.Choose(std::vector<float>{1, 5, 5, 2}, {}, {}, 0), 1);
}

TEST(SamplerTest, SameSeedAndPositionSameChoice) {
  const std::vector<float> logits(1000, 0.0f);
  Sampler a(Warm()), b(Warm());
  for (int i = 0; i < 5; ++i) a.Choose(logits, {}, {}, 100 + i);  // draws before do not matter
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(a.Choose(logits, {}, {}, i), b.Choose(logits, {}, {}, i));
  }
  SamplingOptions other = Warm();
  other.seed = 8;
  EXPECT_NE(Draw(Warm(), logits, 20), Draw(other, logits, 20));
}

TEST(SamplerTest, FrequenciesFollowTheSoftmaxAndTheTemperature) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  auto counts = Draw(Warm(), logits, 20000);
  EXPECT_NEAR(counts[0] / 20000.0, 0.5, 0.02);
  EXPECT_NEAR(counts[1] / 20000.0, 0.3, 0.02);
  SamplingOptions cold = Warm();
  cold.temperature = 0.5f;  // squares the odds
  counts = Draw(cold, logits, 20000);
  EXPECT_NEAR(counts[0] / 20000.0, 0.25 / 0.38, 0.02);
}

TEST(SamplerTest, TopKTopPAndMinPKeepWhatTheySay) {
  const std::vector<float> logits = {std::log(0.1f), std::log(0.4f), std::log(0.3f),
                                     std::log(0.2f)};
  SamplingOptions options = Warm();
  options.top_k = 2;
  auto counts = Draw(options, logits, 2000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(2));

  options = Warm();
  options.top_p = 0.65f;  // 0.4 + 0.3 reaches it
  counts = Draw(options, logits, 2000);
  EXPECT_EQ(counts.size(), 2u);
  options.top_p = 0.75f;
  EXPECT_EQ(Draw(options, logits, 2000).size(), 3u);
  options.top_p = 1e-6f;  // the likeliest always stays
  EXPECT_EQ(Draw(options, logits, 100).size(), 1u);

  options = Warm();
  options.min_p = 0.6f;  // of 0.4: 0.24
  EXPECT_EQ(Draw(options, logits, 2000).size(), 2u);
}

TEST(SamplerTest, TopPReachesFarIntoALargeVocabulary) {
  const std::vector<float> logits(5000, 1.0f);
  SamplingOptions options = Warm();
  options.top_p = 0.5f;
  int32_t largest = 0;
  for (const auto& [id, count] : Draw(options, logits, 300)) largest = std::max(largest, id);
  EXPECT_LT(largest, 2501);  // ties keep the lower ids
  EXPECT_GT(largest, 2400);
}

TEST(SamplerTest, RepetitionPenaltySeesGeneratedTokensOnce) {
  std::vector<float> scores = {2.0f, -2.0f, 2.0f, 1.0f};
  ApplyRepetitionPenalty(std::vector<int32_t>{0, 0, 1, 99, -1}, 2.0f, scores);
  EXPECT_EQ(scores, (std::vector<float>{1.0f, -4.0f, 2.0f, 1.0f}));
}

TEST(SamplerTest, PenaltyScopeAndWindow) {
  const std::vector<float> logits = {3.0f, 2.9f, 2.8f};
  SamplingOptions options;
  options.repetition_penalty = 2.0f;
  const std::vector<int32_t> prompt = {0}, generated = {1, 0};
  EXPECT_EQ(Sampler(options).Choose(logits, prompt, {}, 0), 0);  // the prompt is not seen
  EXPECT_EQ(Sampler(options).Choose(logits, prompt, generated, 0), 2);
  options.penalty_window = 1;  // only the 0
  EXPECT_EQ(Sampler(options).Choose(logits, prompt, generated, 0), 1);
  options.penalty_window = 0;
  options.penalty_scope = PenaltyScope::kPromptAndGenerated;
  EXPECT_EQ(Sampler(options).Choose(logits, prompt, {}, 0), 1);
}

TEST(SamplingOptionsTest, RangesAreChecked) {
  EXPECT_TRUE(Validate(SamplingOptions()).ok());
  SamplingOptions o;
  o.temperature = -1.0f;
  EXPECT_FALSE(Validate(o).ok());
  o.temperature = NAN;
  EXPECT_FALSE(Validate(o).ok());
  o = {};
  o.num_beams = 0;
  EXPECT_FALSE(Validate(o).ok());
  o = {};
  o.min_p = 1.0f;
  EXPECT_FALSE(Validate(o).ok());
  o = {};
  o.repetition_penalty = 0.0f;
  EXPECT_FALSE(Validate(o).ok());
}

TEST(SamplingOptionsTest, PublishedDefaults) {
  for (const VersionRow& row : AllVersions()) {
    for (const auto preset :
         {SamplingPreset::kGreedy, SamplingPreset::kSampled, SamplingPreset::kBeams}) {
      const SamplingDefaults defaults = DefaultSampling(row.version, preset);
      EXPECT_TRUE(Validate(defaults.options).ok());
      EXPECT_GT(defaults.max_new_tokens, 0) << row.name;
    }
  }
  EXPECT_FLOAT_EQ(
      DefaultSampling(Version::kV2_5, SamplingPreset::kSampled).options.repetition_penalty, 1.05f);
  EXPECT_EQ(DefaultSampling(Version::kV1_0, SamplingPreset::kBeams).options.num_beams, 3);
}

TEST(SamplerTest, ATemperatureOfNextToNothingTakesTheLargest) {
  SamplingOptions options;
  options.temperature = 1e-38f;
  Sampler sampler(options);
  const std::vector<float> logits = {1.0f, 30.0f, 0.001f, 29.0f};
  for (int64_t position = 0; position < 20; ++position) {
    EXPECT_EQ(sampler.Choose(logits, {}, {}, position), 1);
  }
}

}  // namespace
}  // namespace mcv
