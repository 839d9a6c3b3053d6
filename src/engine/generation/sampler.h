// Chooses the next token from logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/generation/sampling_options.h"

namespace mcv {

// Divides positive and multiplies negative scores of `seen` tokens by the penalty, each token once
// however often it was seen. Ids outside the scores are ignored.
void ApplyRepetitionPenalty(std::span<const int32_t> seen, float penalty, std::span<float> scores);

// The part of (prompt, generated) that the options' penalty looks at is found by the caller's two
// spans. Keeps its buffers between calls. One thread.
class Sampler {
 public:
  // Options have been validated.
  explicit Sampler(const SamplingOptions& options) : options_(options) {}

  // position: where the token will stand; together with the seed it decides the draw, so the
  // choice does not depend on how often anything was drawn before.
  int32_t Choose(std::span<const float> logits, std::span<const int32_t> prompt,
                 std::span<const int32_t> generated, int64_t position);

 private:
  struct Candidate {
    float logit;
    int32_t id;
  };
  void Penalise(std::span<const int32_t> prompt, std::span<const int32_t> generated);
  // The `count` likeliest first, in order; true if those are all there are.
  bool SortFirst(size_t count);
  size_t KeepTopP(size_t kept, double total);
  int32_t Draw(int64_t position);

  SamplingOptions options_;
  std::vector<float> scores_;
  std::vector<Candidate> candidates_;
};

}  // namespace mcv
