// Beam search with Hugging Face's meaning, because that is what the published answers were made
// with: per step the best max(2, 1 + stop tokens) * beams continuations are looked at in order; one
// that ends becomes a hypothesis if it is among the first `beams`, the others go on.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/generation/generate.h"
#include "engine/generation/sampler.h"

namespace mcv {

namespace {

struct Hypothesis {
  double score = 0.0;
  std::vector<int32_t> ids;
  StopReason reason = StopReason::kStopToken;
};

// The best `capacity` ended hypotheses.
class HypothesisPool {
 public:
  explicit HypothesisPool(const SamplingOptions& options)
      : capacity_(static_cast<size_t>(options.num_beams)),
        length_penalty_(options.length_penalty),
        early_stopping_(options.early_stopping) {}

  // length counts the ending token.
  void Add(std::vector<int32_t> ids, double log_probability, size_t length, StopReason reason) {
    const double score = Score(log_probability, length);
    if (pool_.size() == capacity_ && score <= pool_.back().score) return;
    const auto place = std::find_if(pool_.begin(), pool_.end(),
                                    [&](const Hypothesis& h) { return h.score < score; });
    pool_.insert(place, {score, std::move(ids), reason});
    if (pool_.size() > capacity_) pool_.pop_back();
  }

  // True when no open beam can still beat the worst one kept.
  bool IsDone(double best_open, size_t length) const {
    if (pool_.size() < capacity_) return false;
    return early_stopping_ || pool_.back().score >= Score(best_open, length);
  }

  bool empty() const { return pool_.empty(); }
  const Hypothesis& best() const { return pool_.front(); }

 private:
  double Score(double log_probability, size_t length) const {
    return log_probability / std::pow(static_cast<double>(length), double{length_penalty_});
  }

  size_t capacity_;
  float length_penalty_;
  bool early_stopping_;
  std::vector<Hypothesis> pool_;  // best first
};

struct Beam {
  double log_probability = 0.0;
  std::vector<int32_t> ids;
};

struct Continuation {
  double log_probability = 0.0;
  int parent = 0;
  int32_t id = 0;
};

class BeamSearch {
 public:
  BeamSearch(TextModel& model, const GenerateOptions& options)
      : model_(model), options_(options), pool_(options.sampling) {
    const int beams = options.sampling.num_beams;
    // Only the first beam counts at the start: all are the same prompt.
    beams_.assign(static_cast<size_t>(beams), {-1e9, {}});
    beams_[0].log_probability = 0.0;
    logits_.resize(static_cast<size_t>(beams) * static_cast<size_t>(model.vocab()));
    look_at_ =
        static_cast<size_t>(std::max<int>(2, 1 + static_cast<int>(options.stop_ids.size()))) *
        static_cast<size_t>(beams);
  }

  Result<Generated> Run(MatView first_logits, int64_t max_rows) {
    for (size_t b = 0; b < beams_.size(); ++b) {
      std::copy_n(first_logits.data, model_.vocab(), Logits(b).data());
    }
    StopReason reason = StopReason::kMaxTokens;
    while (true) {
      const std::vector<Continuation> best = BestContinuations();
      const bool filled = TakeContinuations(best);
      const size_t length = beams_[0].ids.size();
      if (pool_.IsDone(best.front().log_probability, length) || !filled) {
        reason = StopReason::kStopToken;
        break;
      }
      if (static_cast<int64_t>(length) >= options_.max_tokens) break;
      if (static_cast<int64_t>(length) > max_rows) {
        reason = StopReason::kContextFull;
        break;
      }
      if (options_.cancel != nullptr && options_.cancel->load(std::memory_order_relaxed)) {
        reason = StopReason::kCancelled;
        break;
      }
      MCV_RETURN_IF_ERROR(Step());
    }
    return Finish(reason);
  }

 private:
  std::span<float> Logits(size_t beam) {
    const size_t vocab = static_cast<size_t>(model_.vocab());
    return {logits_.data() + beam * vocab, vocab};
  }

  // Logits become penalised log-probabilities; the best of beam score + log-probability in order.
  std::vector<Continuation> BestContinuations() {
    TraceScope scope(options_.trace, Zone::kSample);
    std::vector<Continuation> best;
    const auto better = [](const Continuation& a, const Continuation& b) {
      if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
      return std::pair(a.parent, a.id) < std::pair(b.parent, b.id);
    };
    for (size_t b = 0; b < beams_.size(); ++b) {
      const std::span<float> scores = Logits(b);
      const float largest = *std::max_element(scores.begin(), scores.end());
      double sum = 0.0;
      for (const float score : scores) sum += std::exp(double{score} - double{largest});
      const float shift = largest + static_cast<float>(std::log(sum));
      for (float& score : scores) score -= shift;
      ApplyRepetitionPenalty(beams_[b].ids, options_.sampling.repetition_penalty, scores);
      for (size_t id = 0; id < scores.size(); ++id) {
        const Continuation next{beams_[b].log_probability + double{scores[id]}, static_cast<int>(b),
                                static_cast<int32_t>(id)};
        if (best.size() == look_at_ && !better(next, best.back())) continue;
        best.insert(std::upper_bound(best.begin(), best.end(), next, better), next);
        if (best.size() > look_at_) best.pop_back();
      }
    }
    return best;
  }

  // Ends hypotheses and makes the next beams; false if too few continuations go on.
  bool TakeContinuations(const std::vector<Continuation>& best) {
    std::vector<Beam> next;
    parents_.clear();
    tokens_.clear();
    for (size_t rank = 0; rank < best.size() && next.size() < beams_.size(); ++rank) {
      const Continuation& c = best[rank];
      const Beam& parent = beams_[static_cast<size_t>(c.parent)];
      const bool ends = std::find(options_.stop_ids.begin(), options_.stop_ids.end(), c.id) !=
                        options_.stop_ids.end();
      if (ends) {
        if (rank < beams_.size()) {
          pool_.Add(parent.ids, c.log_probability, parent.ids.size() + 1, StopReason::kStopToken);
        }
        continue;
      }
      next.push_back({c.log_probability, parent.ids});
      next.back().ids.push_back(c.id);
      parents_.push_back(c.parent);
      tokens_.push_back(c.id);
    }
    if (next.size() < beams_.size()) return false;
    beams_ = std::move(next);
    return true;
  }

  Status Step() {
    TraceScope scope(options_.trace, Zone::kDecode);
    return model_.StepBeams(
        parents_, tokens_,
        {logits_.data(), static_cast<int64_t>(beams_.size()), int64_t{model_.vocab()}});
  }

  // Open beams compete as they are, unless the search ended by itself.
  Generated Finish(StopReason reason) {
    if (reason != StopReason::kStopToken || pool_.empty()) {
      for (const Beam& beam : beams_) {
        pool_.Add(beam.ids, beam.log_probability, beam.ids.size(), reason);
      }
    }
    Generated out;
    out.ids = pool_.best().ids;
    out.reason = pool_.best().reason;
    if (!options_.on_token) return out;
    for (size_t i = 0; i < out.ids.size(); ++i) {
      if (options_.on_token(out.ids[i])) continue;
      out.ids.resize(i + 1);
      out.reason = StopReason::kStopString;
      break;
    }
    return out;
  }

  TextModel& model_;
  const GenerateOptions& options_;
  HypothesisPool pool_;
  std::vector<Beam> beams_;
  std::vector<float> logits_;  // [beams, V]
  std::vector<int> parents_;
  std::vector<int32_t> tokens_;
  size_t look_at_ = 0;
};

}  // namespace

Result<Generated> GenerateByBeams(TextModel& model, MatView logits,
                                  const GenerateOptions& options) {
  if (options.max_tokens <= 0) return Generated{{}, StopReason::kMaxTokens, 0};
  const int64_t room = std::min(options.max_tokens, model.capacity() - model.length());
  BeamSearch search(model, options);
  if (room > 0) MCV_RETURN_IF_ERROR(model.BeginBeams(options.sampling.num_beams, room));
  Result<Generated> result = search.Run(logits, room);
  model.EndBeams();
  return result;
}

}  // namespace mcv
