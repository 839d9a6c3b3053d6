#include "apps/bench/run.h"

#include <algorithm>

#include "apps/bench/page_cache.h"

namespace mcv::bench {
namespace {

bool Stopped(const Material& material) {
  return material.cancel != nullptr && material.cancel->load(std::memory_order_relaxed);
}

class Rounds {
 public:
  Rounds(const RunOptions& options, const Material& material, const Side& own,
         const std::vector<const Side*>& peers, Results* results)
      : options_(options), material_(material), sides_{&own}, results_(*results) {
    sides_.insert(sides_.end(), peers.begin(), peers.end());
  }

  Status Run() {
    for (JobSamples& samples : results_.jobs) {
      MCV_CHECK(samples.peers.size() + 1 == sides_.size());
      for (size_t side = 1; side < sides_.size(); ++side) {
        samples.peers[side - 1].objection = sides_[side]->Objection(samples.job);
      }
    }
    MeasureMachine();
    for (round_ = 0; round_ < options_.rounds; ++round_) {
      for (JobSamples& samples : results_.jobs) MCV_RETURN_IF_ERROR(RunJob(&samples));
      if (ran_since_limits_) MeasureMachine();
    }
    return OkStatus();
  }

 private:
  void MeasureMachine() {
    Tell("the machine's limits");
    if (options_.measure_limits) {
      results_.limits = Best(results_.limits, options_.measure_limits());
    }
    ran_since_limits_ = false;
  }

  // Whoever begins finds the machine in another state: take turns.
  Status RunJob(JobSamples* samples) {
    for (size_t turn = 0; turn < sides_.size(); ++turn) {
      const size_t side = (turn + static_cast<size_t>(round_)) % sides_.size();
      if (Stopped(material_)) return Cancelled("stopped");
      if (static_cast<size_t>(round_) < RunsOf(*samples, side).size()) continue;
      if (!Wanted(*samples, side)) continue;
      MCV_RETURN_IF_ERROR(RunOne(samples, side));
    }
    return OkStatus();
  }

  Status RunOne(JobSamples* samples, size_t side) {
    const Job& job = samples->job;
    Tell("round " + std::to_string(round_ + 1) + " of " + std::to_string(options_.rounds) + ": " +
         sides_[side]->name() + ", " + JobKey(job));
    const bool waits = job.kind == JobKind::kDecode || job.kind == JobKind::kDecodeMany;
    const bool reads = waits && options_.measure_reads;
    const double before = reads ? options_.measure_reads() : 0.0;
    std::optional<double> still_cached;
    if (job.kind == JobKind::kPictureCold) {
      MCV_ASSIGN_OR_RETURN(still_cached, DropFromCache(results_.model.files));
    } else {
      MCV_RETURN_IF_ERROR(ReadIntoCache(results_.model.files));
    }
    MCV_ASSIGN_OR_RETURN(Measured measured, sides_[side]->Run(job, material_));
    measured.still_cached = still_cached;
    if (reads) measured.read_rate = std::max(before, options_.measure_reads());
    RunsOf(*samples, side).push_back(measured);
    ran_since_limits_ = true;
    return options_.on_result ? options_.on_result() : OkStatus();
  }

  // Side 0 is our own.
  static bool Wanted(const JobSamples& samples, size_t side) {
    return side == 0 || samples.peers[side - 1].objection.empty();
  }

  static std::vector<Measured>& RunsOf(JobSamples& samples, size_t side) {
    return side == 0 ? samples.own : samples.peers[side - 1].runs;
  }

  // What is still to do, at the pace of the same job's last run on the same side, or else of that
  // side's average.
  void Tell(std::string doing) const {
    if (!options_.on_progress) return;
    Progress progress;
    progress.doing = std::move(doing);
    for (size_t side = 0; side < sides_.size(); ++side) {
      double spent = 0.0;
      int64_t runs = 0, unknown = 0;
      for (JobSamples& samples : results_.jobs) {
        if (!Wanted(samples, side)) continue;
        const auto& done = RunsOf(samples, side);
        const int64_t count = static_cast<int64_t>(done.size());
        const int64_t left = std::max<int64_t>(options_.rounds - count, 0);
        for (const Measured& run : done) spent += run.wall_seconds;
        runs += count;
        progress.total += count + left;
        if (count > 0) {
          progress.seconds_left += static_cast<double>(left) * done.back().wall_seconds;
        } else {
          unknown += left;
        }
      }
      progress.done += runs;
      if (runs > 0) {
        progress.seconds_left += static_cast<double>(unknown) * spent / static_cast<double>(runs);
      }
    }
    options_.on_progress(progress);
  }

  const RunOptions& options_;
  const Material& material_;
  std::vector<const Side*> sides_;  // our own first
  Results& results_;
  int round_ = 0;
  bool ran_since_limits_ = false;
};

}  // namespace

Status RunRounds(const RunOptions& options, const Material& material, const Side& own,
                 const std::vector<const Side*>& peers, Results* results) {
  return Rounds(options, material, own, peers, results).Run();
}

}  // namespace mcv::bench
