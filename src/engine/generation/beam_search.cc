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

class BeamSearch final : public Generation {
 public:
  BeamSearch(TextModel& model, TextSequence& sequence, const GenerateOptions& options)
      : options_(options),
        room_(std::min(options.max_tokens, model.capacity() - sequence.length())),
        pool_(options.sampling) {
    const int beams = options.sampling.num_beams;
    // Only the first beam counts at the start: all are the same prompt.
    beams_.assign(static_cast<size_t>(beams), {-1e9, {}});
    beams_[0].log_probability = 0.0;
    look_at_ =
        static_cast<size_t>(std::max<int>(2, 1 + static_cast<int>(options.stop_ids.size()))) *
        static_cast<size_t>(beams);
    for (int b = 0; b < beams && room_ > 0; ++b) sequences_.push_back(sequence.Fork());
  }

  // All beams begin with the prompt's one row.
  int64_t rows() const override { return static_cast<int64_t>(beams_.size()); }

  bool Take(MatView logits) override {
    if (options_.max_tokens <= 0) return End(StopReason::kMaxTokens);
    logits_ = logits;
    const std::vector<Continuation> best = BestContinuations();
    const bool filled = TakeContinuations(best);
    const auto length = static_cast<int64_t>(beams_[0].ids.size());
    if (pool_.IsDone(best.front().log_probability, static_cast<size_t>(length)) || !filled) {
      return End(StopReason::kStopToken);
    }
    if (length >= options_.max_tokens) return End(StopReason::kMaxTokens);
    if (length > room_) return End(StopReason::kContextFull);
    if (options_.cancel != nullptr && options_.cancel->load(std::memory_order_relaxed)) {
      return End(StopReason::kCancelled);
    }
    FollowParents();
    return true;
  }

  std::span<const TextRun> Runs() override {
    runs_.clear();
    for (size_t b = 0; b < beams_.size(); ++b) {
      runs_.push_back({sequences_[b].get(), {{&beams_[b].ids.back(), 1}, {}}, LogitsWanted::kLast});
    }
    return runs_;
  }

  // Open beams compete as they are, unless the search ended by itself.
  Generated Finish() override {
    sequences_.clear();
    if (options_.max_tokens <= 0) return {{}, StopReason::kMaxTokens, 0};
    if (reason_ != StopReason::kStopToken || pool_.empty()) {
      for (const Beam& beam : beams_) {
        pool_.Add(beam.ids, beam.log_probability, std::max<size_t>(1, beam.ids.size()), reason_);
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

 private:
  bool End(StopReason reason) {
    reason_ = reason;
    return false;
  }

  // The prompt's row is every beam's.
  std::span<float> Logits(size_t beam) {
    const auto row = std::min(static_cast<int64_t>(beam), logits_.rows - 1);
    return {logits_.Row(row), static_cast<size_t>(logits_.cols)};
  }

  // Beam b goes on from what beam parents_[b] has read: the last child takes it over, the others
  // share it.
  void FollowParents() {
    std::vector<int> children(sequences_.size(), 0);
    for (const int parent : parents_) ++children[static_cast<size_t>(parent)];
    std::vector<std::unique_ptr<TextSequence>> next;
    for (const int parent : parents_) {
      auto& sequence = sequences_[static_cast<size_t>(parent)];
      next.push_back(--children[static_cast<size_t>(parent)] == 0 ? std::move(sequence)
                                                                  : sequence->Fork());
    }
    sequences_ = std::move(next);
  }

  // Logits become penalised log-probabilities.
  void Normalise(size_t beam) {
    const std::span<float> scores = Logits(beam);
    const float largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0.0;
    for (const float score : scores) sum += std::exp(double{score} - double{largest});
    const float shift = largest + static_cast<float>(std::log(sum));
    for (float& score : scores) score -= shift;
    ApplyRepetitionPenalty(beams_[beam].ids, options_.sampling.repetition_penalty, scores);
  }

  // The best of beam score + log-probability in order.
  std::vector<Continuation> BestContinuations() {
    TraceScope scope(options_.trace, Zone::kSample);
    std::vector<Continuation> best;
    const auto better = [](const Continuation& a, const Continuation& b) {
      if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
      return std::pair(a.parent, a.id) < std::pair(b.parent, b.id);
    };
    for (int64_t row = 0; row < logits_.rows; ++row) Normalise(static_cast<size_t>(row));
    for (size_t b = 0; b < beams_.size(); ++b) {
      const std::span<const float> scores = Logits(b);
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
    }
    if (next.size() < beams_.size()) return false;
    beams_ = std::move(next);
    return true;
  }

  const GenerateOptions options_;
  const int64_t room_;  // positions that a beam may add
  HypothesisPool pool_;
  std::vector<Beam> beams_;
  std::vector<std::unique_ptr<TextSequence>> sequences_;  // of the beams, before their last token
  std::vector<int> parents_;                              // of the beams among those
  std::vector<TextRun> runs_;
  MatView logits_;
  size_t look_at_ = 0;
  StopReason reason_ = StopReason::kCancelled;
};

}  // namespace

std::unique_ptr<Generation> MakeBeamSearch(TextModel& model, TextSequence& sequence,
                                           const GenerateOptions& options) {
  return std::make_unique<BeamSearch>(model, sequence, options);
}

}  // namespace mcv
