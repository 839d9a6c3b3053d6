// What a model foresees at the targets of what it reads, and how far two such predictions are
// apart.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"
#include "tests/quality/reading.h"
#include "tests/quality/retyped_model.h"

namespace mcv::quality {

struct Prediction {
  int64_t vocab = 0;
  std::vector<int32_t> truth;     // [targets]
  std::vector<double> log_probs;  // [targets, vocab], natural logarithms
  // e to the mean of -log p(truth): how many tokens the model wavers between.
  double Perplexity() const;
};

enum class Pace {
  kAtOnce,     // the whole reading in one pass: the kernels of prefill
  kAsWritten,  // up to the first target, then each further one as it is reached: those of decode
};

struct Way {
  std::string_view target;
  Numerics numerics = Numerics::kExact;
  Pace pace = Pace::kAtOnce;
};

// The KV cache has the type that a session gives it: F32 exact, F16 fast.
Result<Prediction> Predict(const RetypedModel& model, std::span<const Reading> readings,
                           const Way& way);

// Mean Kullback-Leibler divergence of `other` from `from`, in nats per target. Not a number where
// either is not finite.
double Divergence(const Prediction& from, const Prediction& other);

}  // namespace mcv::quality
