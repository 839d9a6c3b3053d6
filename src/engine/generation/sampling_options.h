// How the next token is chosen, and what each version's authors chose (model-spec 1.9).
#pragma once

#include <cstdint>

#include "base/status.h"
#include "family/versions.h"

namespace mcv {

// Which tokens the repetition penalty looks at. The published code drives the model by embeddings,
// so its penalty never sees the prompt.
enum class PenaltyScope { kGenerated, kPromptAndGenerated };

// Applied in this order: repetition penalty, temperature, top-k, top-p, min-p.
struct SamplingOptions {
  float temperature = 0.0f;         // 0 = greedy: the largest logit, the lower id on a tie
  int top_k = 0;                    // keep the k likeliest; 0 = all
  float top_p = 1.0f;               // keep the fewest that together reach p; 1 = all
  float min_p = 0.0f;               // keep those at least min_p times as likely as the likeliest
  float repetition_penalty = 1.0f;  // logits of seen tokens are divided (or, if negative,
                                    // multiplied) by this; 1 = off
  PenaltyScope penalty_scope = PenaltyScope::kGenerated;
  int penalty_window = 0;  // only the latest so many tokens; 0 = all
  uint64_t seed = 0;       // the choice at a position is a function of (seed, position)

  int num_beams = 1;            // > 1: beam search, and temperature and the rest play no part
  float length_penalty = 1.0f;  // a hypothesis scores sum of log-probabilities / length^penalty
  bool early_stopping = false;  // true: done as soon as num_beams hypotheses have ended
};

// Ranges, and combinations that cannot be meant; the message names the option.
Status Validate(const SamplingOptions& options);

enum class SamplingPreset {
  kGreedy,
  kSampled,  // the version's published sampling numbers
  kBeams,    // 3 beams, repetition penalty 1.2: what the paper evaluates with
};
struct SamplingDefaults {
  SamplingOptions options;
  int max_new_tokens = 0;
};
SamplingDefaults DefaultSampling(Version version, SamplingPreset preset);

}  // namespace mcv
