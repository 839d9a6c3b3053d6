// The pieces of a conversation that the tuner times: some layers of the real model, without what
// surrounds them.
#pragma once

#include <memory>
#include <string>

#include "base/cpu_topology.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/threads/thread_settings.h"

namespace mcv {

// Everything that the stages share. Engine and topology are borrowed.
struct WorkSetting {
  WorkSetting(const Engine& model, const CpuTopology& machine, int threads);
  const Engine& engine;
  const CpuTopology& topology;
  ThreadPool pool;
  Context context;
};

class StageWork {
 public:
  // encode: layers of the tower on the patches of a view; prefill: layers of the language model on
  // 128 tokens, up to 1,024 as it grows; decode: layers one token at a time, as many as do not
  // stay in the caches. The setting is borrowed.
  static Result<std::unique_ptr<StageWork>> Create(Stage stage, WorkSetting& setting);
  virtual ~StageWork() = default;

  virtual Stage stage() const = 0;
  virtual std::string description() const = 0;
  // Does the work once and returns the seconds that it took. `batch_tokens` counts in prefill only.
  virtual double Run(const StageSettings& settings, int64_t batch_tokens) = 0;
  // Twice the work from now on, if there is more.
  virtual bool Grow() { return false; }
  // Larger batches than this make no difference.
  virtual int64_t most_batch_tokens() const { return 0; }
};

}  // namespace mcv
