// Sorting a vocabulary of 128 thousand for every token would cost more than drawing needs: only as
// many candidates are put in order as top-k and top-p can reach.
#include "engine/generation/sampler.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/random.h"

namespace mcv {

namespace {

constexpr size_t kFirstSort = 64;

int32_t LargestIndex(std::span<const float> scores) {
  return static_cast<int32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

}  // namespace

void ApplyRepetitionPenalty(std::span<const int32_t> seen, float penalty, std::span<float> scores) {
  if (penalty == 1.0f) return;
  std::unordered_set<int32_t> done;
  for (const int32_t id : seen) {
    if (id < 0 || static_cast<size_t>(id) >= scores.size() || !done.insert(id).second) continue;
    float& score = scores[static_cast<size_t>(id)];
    score = score > 0.0f ? score / penalty : score * penalty;
  }
}

void Sampler::Penalise(std::span<const int32_t> prompt, std::span<const int32_t> generated) {
  if (options_.repetition_penalty == 1.0f) return;
  std::vector<int32_t> seen;
  if (options_.penalty_scope == PenaltyScope::kPromptAndGenerated) {
    seen.assign(prompt.begin(), prompt.end());
  }
  seen.insert(seen.end(), generated.begin(), generated.end());
  const size_t window = static_cast<size_t>(options_.penalty_window);
  std::span<const int32_t> looked_at = seen;
  if (window > 0 && window < seen.size()) looked_at = looked_at.last(window);
  ApplyRepetitionPenalty(looked_at, options_.repetition_penalty, scores_);
}

bool Sampler::SortFirst(size_t count) {
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  count = std::min(count, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<int64_t>(count),
                    candidates_.end(), likelier);
  return count == candidates_.size();
}

// How many of the likeliest reach top_p of `total`; candidates have been sorted as far as needed.
size_t Sampler::KeepTopP(size_t kept, double total) {
  const double wanted = double{options_.top_p} * total;
  const double largest = candidates_.front().logit;
  double sum = 0.0;
  size_t sorted = std::min(kept, kFirstSort);
  for (size_t i = 0; i < kept; ++i) {
    if (i == sorted) {
      sorted = std::min(kept, sorted * 8);
      SortFirst(sorted);
    }
    sum += std::exp(double{candidates_[i].logit} - largest);
    if (sum >= wanted) return i + 1;
  }
  return kept;
}

int32_t Sampler::Draw(int64_t position) {
  size_t kept = candidates_.size();
  SortFirst(kFirstSort);
  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < kept) {
    kept = static_cast<size_t>(options_.top_k);
    SortFirst(kept);
  }
  const double largest = candidates_.front().logit;
  const auto weight = [&](size_t i) { return std::exp(double{candidates_[i].logit} - largest); };
  double total = 0.0;
  for (size_t i = 0; i < kept; ++i) total += weight(i);
  if (options_.top_p < 1.0f) kept = KeepTopP(kept, total);
  if (options_.min_p > 0.0f) {
    SortFirst(kept);
    while (kept > 1 && weight(kept - 1) < double{options_.min_p}) --kept;
  }

  total = 0.0;
  for (size_t i = 0; i < kept; ++i) total += weight(i);
  RandomStream random(options_.seed, static_cast<uint64_t>(position));
  double left = random.NextDouble() * total;
  for (size_t i = 0; i < kept; ++i) {
    left -= weight(i);
    if (left < 0.0) return candidates_[i].id;
  }
  return candidates_[kept - 1].id;  // rounding left a hair
}

int32_t Sampler::Choose(std::span<const float> logits, std::span<const int32_t> prompt,
                        std::span<const int32_t> generated, int64_t position) {
  scores_.assign(logits.begin(), logits.end());
  Penalise(prompt, generated);
  if (options_.temperature == 0.0f) return LargestIndex(scores_);
  // Divided by next to nothing the largest would be infinite: nothing else has a chance then.
  const int32_t largest = LargestIndex(scores_);
  if (!std::isfinite(scores_[static_cast<size_t>(largest)] / options_.temperature)) return largest;
  candidates_.clear();
  for (size_t i = 0; i < scores_.size(); ++i) {
    const float logit = scores_[i] / options_.temperature;
    if (std::isfinite(logit)) candidates_.push_back({logit, static_cast<int32_t>(i)});
  }
  if (candidates_.empty()) return largest;
  return Draw(position);
}

}  // namespace mcv
