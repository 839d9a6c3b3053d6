#include "engine/threads/tuner.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "engine/threads/tuner_work.h"

namespace mcv {

namespace {

constexpr double kLeastGain = 0.03;
constexpr int kMaxRounds = 9;
constexpr size_t kFewestRounds = 3;    // of the winner against the default
constexpr double kRunsPerStage = 24;   // about as many as a stage takes where one run is long
constexpr double kHopeless = 1.3;      // times the best: not measured again
constexpr double kLeastSample = 4e-3;  // seconds; shorter work is repeated

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Median distance from the median, relative.
double Scatter(const std::vector<double>& values) {
  const double middle = Median(values);
  std::vector<double> distances;
  distances.reserve(values.size());
  for (const double value : values) distances.push_back(std::abs(value - middle));
  return Median(distances) / middle;
}

struct Measured {
  TunedCandidate candidate;
  std::vector<double> samples;
};

// One stage: each step varies one thing of the best so far.
class StageTuner {
 public:
  StageTuner(StageWork& work, const CpuTopology& topology, const TunerOptions& options,
             Clock::time_point start, double until)
      : work_(work), topology_(topology), options_(options), start_(start), until_(until) {}

  Result<StageTuning> Run() {
    const std::vector<int> threads = CandidateThreads(topology_);
    TunedCandidate standard;
    standard.settings.threads = threads.front();
    standard.batch_tokens = work_.stage() == Stage::kPrefill ? kDefaultBatchTokens : 0;
    Find(standard);
    WarmUp(standard);
    for (const int count : threads) Vary([&](TunedCandidate& c) { c.settings.threads = count; });
    MCV_RETURN_IF_ERROR(Step(0.4));
    for (const Placement placement : {Placement::kCores, Placement::kSpread}) {
      if (placement == Placement::kSpread && topology_.num_caches() == 1) continue;
      Vary([&](TunedCandidate& c) { c.settings.placement = placement; });
    }
    MCV_RETURN_IF_ERROR(Step(0.55));
    for (const int64_t rows : {16, 64}) {
      Vary([&](TunedCandidate& c) { c.settings.blocking.rows = rows; });
    }
    if (work_.stage() != Stage::kDecode) {
      Vary([&](TunedCandidate& c) { c.settings.blocking.tokens = 360; });
    }
    MCV_RETURN_IF_ERROR(Step(work_.stage() == Stage::kPrefill ? 0.7 : 0.8));
    if (work_.stage() == Stage::kPrefill) {
      for (const int64_t tokens : {128, 256, 1024}) {
        if (tokens > work_.most_batch_tokens()) continue;
        if (tokens == work_.most_batch_tokens() && tokens < kDefaultBatchTokens) continue;
        Vary([&](TunedCandidate& c) { c.batch_tokens = tokens; });
      }
      MCV_RETURN_IF_ERROR(Step(0.9));
    }
    MCV_RETURN_IF_ERROR(PlayOff());
    return Finish();
  }

 private:
  // Pages and buffers are there after it, and the work is as much as there is time for.
  void WarmUp(const TunedCandidate& standard) {
    work_.Run(standard.settings, standard.batch_tokens);
    const double longest = (until_ - begin_of_stage_) / kRunsPerStage;
    do {
      if (2 * work_.Run(standard.settings, standard.batch_tokens) > longest) break;
    } while (work_.Grow());
  }

  template <typename Change>
  void Vary(Change change) {
    TunedCandidate candidate = measured_[best_].candidate;
    change(candidate);
    step_.push_back(Find(candidate));
  }

  size_t Find(const TunedCandidate& candidate) {
    for (size_t i = 0; i < measured_.size(); ++i) {
      const TunedCandidate& known = measured_[i].candidate;
      if (known.settings == candidate.settings && known.batch_tokens == candidate.batch_tokens) {
        return i;
      }
    }
    measured_.push_back({candidate, {}});
    return measured_.size() - 1;
  }

  // Measures this step's candidates and the best so far in turns, until `share` of the stage's time
  // is over. What there was no time for has no samples and is not looked at again.
  Status Step(double share) {
    step_.push_back(best_);
    std::sort(step_.begin(), step_.end());
    step_.erase(std::unique(step_.begin(), step_.end()), step_.end());
    const double begin = begin_of_stage_;
    const double end = begin + share * (until_ - begin);
    for (int round = 0; round < kMaxRounds; ++round) {
      for (const size_t index : step_) {
        const bool late = SecondsSince(start_) > end;
        if (late && (round > 0 || index != best_)) continue;
        if (round > 0 && Hopeless(index)) continue;
        MCV_RETURN_IF_ERROR(Measure(index));
      }
      if (SecondsSince(start_) > end) break;
    }
    for (const size_t index : step_) {
      if (Seconds(index) < Seconds(best_)) best_ = index;
    }
    step_.clear();
    return OkStatus();
  }

  // The winner against the default alone, in the time that is left.
  Status PlayOff() {
    if (best_ == 0) return OkStatus();
    for (int round = 0; round < kMaxRounds; ++round) {
      if (round >= 1 && SecondsSince(start_) > until_) break;
      for (const size_t index : {size_t{0}, best_}) {
        if (round == 0) measured_[index].samples.clear();
        MCV_RETURN_IF_ERROR(Measure(index));
      }
    }
    return OkStatus();
  }

  Status Measure(size_t index) {
    if (options_.cancel != nullptr && options_.cancel->load(std::memory_order_relaxed)) {
      return Cancelled("stopped while measuring; nothing was changed");
    }
    Measured& m = measured_[index];
    double spent = 0.0;
    int runs = 0;
    while (spent < kLeastSample) {
      spent += work_.Run(m.candidate.settings, m.candidate.batch_tokens);
      ++runs;
    }
    m.samples.push_back(spent / runs);
    if (options_.on_progress) {
      const double now = SecondsSince(start_);
      options_.on_progress({work_.stage(), now, std::max(0.0, options_.budget_seconds - now)});
    }
    return OkStatus();
  }

  double Seconds(size_t index) const {
    const std::vector<double>& samples = measured_[index].samples;
    return samples.empty() ? std::numeric_limits<double>::infinity() : Median(samples);
  }
  bool Hopeless(size_t index) const {
    double least = Seconds(index);
    for (const size_t other : step_) least = std::min(least, Seconds(other));
    return Seconds(index) > kHopeless * least;
  }

  StageTuning Finish() {
    StageTuning tuning;
    tuning.stage = work_.stage();
    tuning.work = work_.description();
    const Measured& standard = measured_[0];
    const Measured& best = measured_[best_];
    tuning.noise = std::max({kLeastGain, 2 * Scatter(standard.samples), 2 * Scatter(best.samples)});
    const bool better =
        best.samples.size() >= kFewestRounds && Seconds(0) > (1 + tuning.noise) * Seconds(best_);
    for (Measured& m : measured_) {
      if (m.samples.empty()) continue;
      m.candidate.seconds = Median(m.samples);
      m.candidate.rounds = static_cast<int>(m.samples.size());
      if (better && &m == &best) tuning.chosen = tuning.candidates.size();
      tuning.candidates.push_back(m.candidate);
    }
    return tuning;
  }

  StageWork& work_;
  const CpuTopology& topology_;
  const TunerOptions& options_;
  Clock::time_point start_;
  double until_;  // seconds after start_
  double begin_of_stage_ = SecondsSince(start_);
  std::vector<Measured> measured_;  // [0] is the default
  std::vector<size_t> step_;        // what the next step measures
  size_t best_ = 0;
};

}  // namespace

std::vector<int> CandidateThreads(const CpuTopology& topology) {
  const int standard = DefaultThreadCount(topology);
  const auto all = static_cast<int>(topology.cpus.size());
  int big = 0;
  for (const LogicalCpu& cpu : topology.cpus) big += topology.IsBig(cpu) ? 1 : 0;
  std::vector<int> counts = {standard};
  for (const int count :
       {topology.WithinQuota(all), topology.WithinQuota(topology.num_cores()),
        topology.WithinQuota(big), std::max(1, standard * 3 / 4), std::max(1, standard / 2), 1}) {
    if (std::find(counts.begin(), counts.end(), count) == counts.end()) counts.push_back(count);
  }
  return counts;
}

Result<TuneResult> Tune(const Engine& engine, const TunerOptions& options) {
  const auto start = Clock::now();
  const CpuTopology topology = ReadCpuTopology();
  const std::vector<int> threads = CandidateThreads(topology);
  WorkSetting setting(engine, topology, *std::max_element(threads.begin(), threads.end()));
  TuneResult result;
  result.settings = SameThreads(threads.front());
  // Shares of the budget that are over when the stage is.
  const std::array<double, 3> ends = {0.35, 0.72, 1.0};
  for (const Stage stage : kStages) {
    if (stage == Stage::kEncode && !engine.config().has_vision) continue;
    MCV_ASSIGN_OR_RETURN(const std::unique_ptr<StageWork> work, StageWork::Create(stage, setting));
    const double until = ends[static_cast<size_t>(stage)] * options.budget_seconds;
    MCV_ASSIGN_OR_RETURN(StageTuning tuning,
                         StageTuner(*work, topology, options, start, until).Run());
    const TunedCandidate& won = tuning.candidates[tuning.chosen];
    result.settings.of(stage) = won.settings;
    if (stage == Stage::kPrefill) result.settings.batch_tokens = won.batch_tokens;
    result.stages.push_back(std::move(tuning));
  }
  result.seconds = SecondsSince(start);
  return result;
}

}  // namespace mcv
