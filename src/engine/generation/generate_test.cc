// Beam search against an exhaustive search, and against hand-worked cases of its stop rules.
#include "engine/generation/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/fake_model.h"
#include "engine/generation/sampler.h"

namespace mcv {
namespace {

using ::testing::ElementsAre;

constexpr int kVocab = 4;
const std::vector<int32_t> kStop = {3};
const std::vector<int32_t> kPrompt = {0, 1};

// A made-up language: odds depend on the last two tokens and the position.
std::vector<float> Odds(const std::vector<int32_t>& history) {
  std::vector<float> logits(kVocab);
  const size_t n = history.size();
  for (int id = 0; id < kVocab; ++id) {
    const int mix = history[n - 1] * 7 + history[n - 2] * 3 + id * 5 + static_cast<int>(n) * 11;
    logits[size_t(id)] = std::sin(static_cast<float>(mix)) * 2.0f;
  }
  return logits;
}

// The plain loop for one answer: `logits` [1, V] are those of the prompt's last position.
Result<Generated> Generate(TextModel& model, TextSequence& sequence, MatView logits,
                           const GenerateOptions& options) {
  const auto generation = MakeGeneration(model, sequence, options);
  std::vector<float> own(static_cast<size_t>(generation->rows() * model.vocab()));
  const MatView rows(own.data(), generation->rows(), model.vocab());
  bool goes_on = generation->Take(logits);
  while (goes_on) {
    MCV_RETURN_IF_ERROR(model.Step(generation->Runs(), {}, rows));
    goes_on = generation->Take(rows);
  }
  return generation->Finish();
}

struct Search {
  float penalty = 1.0f;
  float length_penalty = 1.0f;
  int max_tokens = 3;
  double best_score = -1e30;
  std::vector<int32_t> best;

  void Consider(const std::vector<int32_t>& ids, double sum, size_t length) {
    const double score = sum / std::pow(double(length), double{length_penalty});
    if (score <= best_score) return;
    best_score = score;
    best = ids;
  }
  void Go(const std::vector<int32_t>& ids, double sum) {
    if (static_cast<int>(ids.size()) == max_tokens) return Consider(ids, sum, ids.size());
    std::vector<int32_t> history = kPrompt;
    history.insert(history.end(), ids.begin(), ids.end());
    std::vector<float> scores = Odds(history);
    double total = 0.0;
    for (const float score : scores) total += std::exp(score);
    for (float& score : scores) score -= static_cast<float>(std::log(total));
    ApplyRepetitionPenalty(ids, penalty, scores);
    for (int id = 0; id < kVocab; ++id) {
      if (id == kStop[0]) {
        Consider(ids, sum + scores[size_t(id)], ids.size() + 1);
        continue;
      }
      std::vector<int32_t> next = ids;
      next.push_back(id);
      Go(next, sum + scores[size_t(id)]);
    }
  }
};

Generated RunBeams(const SamplingOptions& sampling, int max_tokens, int64_t capacity = 100) {
  FakeTextModel model(kVocab, capacity, Odds);
  std::vector<float> logits(kVocab);
  const MatView row(logits.data(), 1, kVocab);
  const auto sequence = model.NewSequence();
  EXPECT_TRUE(Append(model, *sequence, {kPrompt, {}}, {}, row).ok());
  GenerateOptions options;
  options.sampling = sampling;
  options.max_tokens = max_tokens;
  options.stop_ids = kStop;
  const auto result = Generate(model, *sequence, row, options);
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(sequence->length(), int64_t(kPrompt.size()));
  return result.ok() ? *result : Generated();
}

TEST(BeamSearchTest, EnoughBeamsFindTheBestAnswerThereIs) {
  for (const float penalty : {1.0f, 1.2f}) {
    for (const float length_penalty : {0.5f, 1.0f, 2.0f}) {
      Search search;
      search.penalty = penalty;
      search.length_penalty = length_penalty;
      search.Go({}, 0.0);
      SamplingOptions sampling;
      sampling.num_beams = 40;  // more than there are answers of 3 tokens
      sampling.repetition_penalty = penalty;
      sampling.length_penalty = length_penalty;
      EXPECT_EQ(RunBeams(sampling, 3).ids, search.best)
          << "penalty " << penalty << ", length penalty " << length_penalty;
    }
  }
}

TEST(BeamSearchTest, OneStepOfTwoBeamsByHand) {
  // After the prompt: 0 and 1 are likely; after 0 everything is unlikely to end, after 1 the stop
  // token is nearly certain. Greedy would go on with 0; two beams end with 1.
  const auto logits_of = [](const std::vector<int32_t>& history) {
    if (history.size() == 2) return std::vector<float>{2.0f, 1.9f, -9.0f, -9.0f};
    if (history.back() == 1) return std::vector<float>{-9.0f, -9.0f, -9.0f, 5.0f};
    return std::vector<float>{0.0f, 0.0f, 0.0f, -9.0f};
  };
  FakeTextModel model(kVocab, 100, logits_of);
  std::vector<float> logits(kVocab);
  const MatView row(logits.data(), 1, kVocab);
  const auto sequence = model.NewSequence();
  ASSERT_TRUE(Append(model, *sequence, {kPrompt, {}}, {}, row).ok());
  GenerateOptions options;
  options.sampling.num_beams = 2;
  options.max_tokens = 5;
  options.stop_ids = kStop;
  std::vector<int32_t> told;
  options.on_token = [&](int32_t id) {
    told.push_back(id);
    return true;
  };
  const auto result = Generate(model, *sequence, row, options);
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->ids, ElementsAre(1));
  EXPECT_THAT(told, ElementsAre(1));
  EXPECT_EQ(result->reason, StopReason::kStopToken);
  EXPECT_EQ(result->positions_held, 0);
}

TEST(BeamSearchTest, StopsAtTheContextAndAtTheTokenLimit) {
  SamplingOptions sampling;
  sampling.num_beams = 3;
  sampling.length_penalty = 4.0f;  // long answers win, so the limits are reached
  EXPECT_LE(RunBeams(sampling, 4).ids.size(), 4u);
  const Generated full = RunBeams(sampling, 50, int64_t(kPrompt.size()) + 5);
  EXPECT_LE(full.ids.size(), 6u);
  const Generated none = RunBeams(sampling, 50, int64_t(kPrompt.size()));
  EXPECT_LE(none.ids.size(), 1u);
}

TEST(GenerateTest, CancelAndLimits) {
  FakeTextModel model(kVocab, 6, [](const auto&) { return std::vector<float>{0, 1, 2, 0}; });
  std::vector<float> logits(kVocab);
  const MatView row(logits.data(), 1, kVocab);
  const auto sequence = model.NewSequence();
  ASSERT_TRUE(Append(model, *sequence, {kPrompt, {}}, {}, row).ok());
  std::atomic<bool> cancel = false;
  GenerateOptions options;
  options.max_tokens = 2;
  options.stop_ids = kStop;
  options.cancel = &cancel;
  const auto limited = Generate(model, *sequence, row, options);
  ASSERT_TRUE(limited.ok());
  EXPECT_THAT(limited->ids, ElementsAre(2, 2));
  EXPECT_EQ(limited->reason, StopReason::kMaxTokens);
  EXPECT_EQ(limited->positions_held, 1);  // the last token needs no logits

  options.max_tokens = 100;
  const auto full = Generate(model, *sequence, row, options);
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->reason, StopReason::kContextFull);
  EXPECT_EQ(sequence->length(), 6);

  cancel = true;
  const auto cancelled = Generate(model, *sequence, row, options);
  EXPECT_EQ(cancelled->reason, StopReason::kCancelled);
  EXPECT_TRUE(cancelled->ids.empty());
}

}  // namespace
}  // namespace mcv
