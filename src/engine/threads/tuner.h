// Measures, on the model itself, with which threads, places and pieces each stage is fastest.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "engine/threads/thread_settings.h"

namespace mcv {

struct TunerProgress {
  Stage stage = Stage::kEncode;
  double seconds_spent = 0.0;
  double seconds_left = 0.0;  // of the budget; it may end earlier
};

struct TunerOptions {
  double budget_seconds = 25.0;
  const std::atomic<bool>* cancel = nullptr;  // looked at between measurements
  std::function<void(const TunerProgress&)> on_progress;
};

struct TunedCandidate {
  StageSettings settings;
  int64_t batch_tokens = 0;  // prefill only, else 0
  double seconds = 0.0;      // median, for the same work as every other of the stage
  int rounds = 0;
};

struct StageTuning {
  Stage stage = Stage::kEncode;
  std::string work;                        // what was timed
  std::vector<TunedCandidate> candidates;  // the default first
  size_t chosen = 0;                       // 0: nothing was better by more than the noise
  double noise = 0.0;                      // relative; what a winner had to exceed
  double gain() const { return candidates[0].seconds / candidates[chosen].seconds; }
};

struct TuneResult {
  std::vector<StageTuning> stages;  // without the encoder where the model has none
  ThreadSettings settings;          // what won; the default where nothing did
  double seconds = 0.0;
};

// Some layers of the engine's model run on random rows. Candidates take turns, medians are
// compared, and the default stays unless another is better by more than 3 % and by more than the
// measurements scatter. Takes about the budget; Cancelled leaves nothing behind.
Result<TuneResult> Tune(const Engine& engine, const TunerOptions& options);

// Thread counts worth trying here, the default first.
std::vector<int> CandidateThreads(const CpuTopology& topology);

}  // namespace mcv
