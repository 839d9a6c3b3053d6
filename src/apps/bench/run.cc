#include "apps/bench/run.h"

#include "apps/bench/page_cache.h"

namespace mcv::bench {
namespace {

bool Stopped(const Material& material) {
  return material.cancel != nullptr && material.cancel->load(std::memory_order_relaxed);
}

class Rounds {
 public:
  Rounds(const RunOptions& options, const Material& material, const Side& own, const Side* peer,
         Results* results)
      : options_(options), material_(material), own_(own), peer_(peer), results_(*results) {}

  Status Run() {
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
    for (int turn = 0; turn < 2; ++turn) {
      const bool ours = (turn == 0) == (round_ % 2 == 0);
      if (Stopped(material_)) return Cancelled("stopped");
      if (static_cast<size_t>(round_) < RunsOf(*samples, ours).size()) continue;
      if (!Wanted(*samples, ours)) continue;
      MCV_RETURN_IF_ERROR(RunOne(samples, ours));
    }
    return OkStatus();
  }

  Status RunOne(JobSamples* samples, bool ours) {
    const Job& job = samples->job;
    const std::string side = ours ? "minicpmv" : "llama.cpp";
    Tell("round " + std::to_string(round_ + 1) + " of " + std::to_string(options_.rounds) + ": " +
         side + ", " + JobKey(job));
    std::optional<double> still_cached;
    if (job.kind == JobKind::kPictureCold) {
      MCV_ASSIGN_OR_RETURN(still_cached, DropFromCache(results_.model.files));
    } else {
      MCV_RETURN_IF_ERROR(ReadIntoCache(results_.model.files));
    }
    MCV_ASSIGN_OR_RETURN(Measured measured, (ours ? own_ : *peer_).Run(job, material_));
    measured.still_cached = still_cached;
    (ours ? samples->own : samples->peer).push_back(measured);
    ran_since_limits_ = true;
    return options_.on_result ? options_.on_result() : OkStatus();
  }

  bool Wanted(const JobSamples& samples, bool ours) const {
    return ours || (peer_ != nullptr && peer_->CanRun(samples.job));
  }

  static const std::vector<Measured>& RunsOf(const JobSamples& samples, bool ours) {
    return ours ? samples.own : samples.peer;
  }

  // What is still to do, at the pace of the same job's last run on the same side, or else of that
  // side's average.
  void Tell(std::string doing) const {
    if (!options_.on_progress) return;
    Progress progress;
    progress.doing = std::move(doing);
    for (const bool ours : {true, false}) {
      double spent = 0.0;
      int64_t runs = 0, unknown = 0;
      for (const JobSamples& samples : results_.jobs) {
        if (!Wanted(samples, ours)) continue;
        const auto& done = RunsOf(samples, ours);
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
  const Side& own_;
  const Side* peer_;
  Results& results_;
  int round_ = 0;
  bool ran_since_limits_ = false;
};

}  // namespace

Status RunRounds(const RunOptions& options, const Material& material, const Side& own,
                 const Side* peer, Results* results) {
  return Rounds(options, material, own, peer, results).Run();
}

}  // namespace mcv::bench
