// The rounds: every job once on our side and once on each peer's, again and again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/bench/results.h"
#include "apps/bench/side.h"
#include "base/status.h"

namespace mcv::bench {

struct Progress {
  std::string doing;  // "round 2 of 3: llama.cpp, prefill@256"
  int64_t done = 0;   // runs
  int64_t total = 0;
  double seconds_left = 0.0;  // 0: nothing is known yet
};

struct RunOptions {
  int rounds = 3;
  std::function<Limits()> measure_limits;
  std::function<double()> measure_reads;  // bytes a second now: beside every decode run
  std::function<void(const Progress&)> on_progress;
  std::function<Status()> on_result;  // after each run; an error stops
};

// Adds to results->jobs what they lack for `rounds` runs on each side (an interrupted run is gone
// on with), the sides in turn and taking turns in who begins; measures the machine's limits at
// first and after each round, and how fast it reads before and after each decode run. `peers` are
// in the order of results->peers and of each job's peers. On an error, Cancelled included, results
// hold what was measured until then.
Status RunRounds(const RunOptions& options, const Material& material, const Side& own,
                 const std::vector<const Side*>& peers, Results* results);

}  // namespace mcv::bench
