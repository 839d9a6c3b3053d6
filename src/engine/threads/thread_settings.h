// With how many threads, where and in which pieces each stage of a conversation computes. None of
// it changes a result, except that a prompt read in other batches may differ in rounding.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cpu_topology.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace mcv {

enum class Stage { kEncode, kPrefill, kDecode };
inline constexpr std::array<Stage, 3> kStages = {Stage::kEncode, Stage::kPrefill, Stage::kDecode};
std::string_view StageName(Stage stage);  // "encode", "prefill", "decode"

// kFree: where the system puts them. kCores: worker i on the i-th core, big ones first, siblings
// last. kSpread: the same, but neighbours under different caches.
enum class Placement { kFree, kCores, kSpread };
std::string_view PlacementName(Placement placement);  // "free", "cores", "spread"
Result<Placement> ParsePlacement(std::string_view name);

inline constexpr int kMaxThreads = 1024;
inline constexpr int64_t kDefaultBatchTokens = 512;

struct StageSettings {
  int threads = 1;
  Placement placement = Placement::kFree;
  Blocking blocking;
  bool operator==(const StageSettings&) const = default;
};

struct ThreadSettings {
  std::array<StageSettings, 3> stages;         // by Stage
  int64_t batch_tokens = kDefaultBatchTokens;  // prefill works on so many tokens at a time

  StageSettings& of(Stage stage) { return stages[static_cast<size_t>(stage)]; }
  const StageSettings& of(Stage stage) const { return stages[static_cast<size_t>(stage)]; }
  int most_threads() const;
  Blocking largest_blocking() const;  // for plans: what takes the most scratch
  bool operator==(const ThreadSettings&) const = default;
};

// The same count for every stage, everything else by default.
ThreadSettings SameThreads(int threads);

// InvalidArgument with the field, what it is and what it may be.
Status Validate(const ThreadSettings& settings);

// "2 threads", "4 threads on cores, pieces of 64 x 1080".
std::string Describe(const StageSettings& settings);

// Processors for workers 0, 1, ...; empty for kFree.
std::vector<int> PlacesFor(Placement placement, const CpuTopology& topology);

// Applies settings to a context and its pool, and puts the calling thread where worker 0 belongs
// until the stage ends. One thread.
class StageScope {
 public:
  StageScope(const StageSettings& settings, const CpuTopology& topology, Context& ctx);

 private:
  std::unique_ptr<CallerPlace> caller_;
};

}  // namespace mcv
