#include "engine/threads/thread_settings.h"

#include <algorithm>

#include "base/thread_pool.h"

namespace mcv {

namespace {

constexpr int64_t kMaxBatchTokens = 8192;

Status CheckRange(const std::string& what, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return OkStatus();
  return InvalidArgument(what + " is " + std::to_string(value) + ", expected " +
                         std::to_string(least) + " to " + std::to_string(most));
}

}  // namespace

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kEncode:
      return "encode";
    case Stage::kPrefill:
      return "prefill";
    case Stage::kDecode:
      break;
  }
  return "decode";
}

std::string_view PlacementName(Placement placement) {
  switch (placement) {
    case Placement::kFree:
      return "free";
    case Placement::kCores:
      return "cores";
    case Placement::kSpread:
      break;
  }
  return "spread";
}

Result<Placement> ParsePlacement(std::string_view name) {
  for (const Placement placement : {Placement::kFree, Placement::kCores, Placement::kSpread}) {
    if (PlacementName(placement) == name) return placement;
  }
  return InvalidArgument("the placement is none of free, cores and spread");
}

int ThreadSettings::most_threads() const {
  int most = 1;
  for (const StageSettings& stage : stages) most = std::max(most, stage.threads);
  return most;
}

Blocking ThreadSettings::largest_blocking() const {
  Blocking largest{0, 0};
  for (const StageSettings& stage : stages) {
    largest.rows = std::max(largest.rows, stage.blocking.rows);
    largest.tokens = std::max(largest.tokens, stage.blocking.tokens);
  }
  return largest;
}

ThreadSettings SameThreads(int threads) {
  ThreadSettings settings;
  for (StageSettings& stage : settings.stages) stage.threads = threads;
  return settings;
}

Status Validate(const ThreadSettings& settings) {
  for (const Stage stage : kStages) {
    const std::string name(StageName(stage));
    const StageSettings& s = settings.of(stage);
    MCV_RETURN_IF_ERROR(CheckRange(name + " threads", s.threads, 1, kMaxThreads));
    MCV_RETURN_IF_ERROR(CheckRange(name + " rows", s.blocking.rows, 1, Blocking::kMostRows));
    MCV_RETURN_IF_ERROR(CheckRange(name + " tokens", s.blocking.tokens, Blocking::kTokenStep,
                                   Blocking::kMostTokens));
    if (s.blocking.tokens % Blocking::kTokenStep != 0) {
      return InvalidArgument(name + " tokens is " + std::to_string(s.blocking.tokens) +
                             ", expected a multiple of " + std::to_string(Blocking::kTokenStep));
    }
  }
  return CheckRange("batch tokens", settings.batch_tokens, 1, kMaxBatchTokens);
}

std::string Describe(const StageSettings& settings) {
  std::string text =
      std::to_string(settings.threads) + (settings.threads == 1 ? " thread" : " threads");
  if (settings.placement == Placement::kCores) text += " on cores";
  if (settings.placement == Placement::kSpread) text += " spread over caches";
  if (settings.blocking != Blocking()) {
    text += ", pieces of " + std::to_string(settings.blocking.rows) + " x " +
            std::to_string(settings.blocking.tokens);
  }
  return text;
}

std::vector<int> PlacesFor(Placement placement, const CpuTopology& topology) {
  if (placement == Placement::kCores) return topology.CoresFirst();
  if (placement == Placement::kSpread) return topology.SpreadOverCaches();
  return {};
}

StageScope::StageScope(const StageSettings& settings, const CpuTopology& topology, Context& ctx) {
  ctx.blocking = settings.blocking;
  ctx.pool->SetActive(settings.threads);
  const std::vector<int> places = PlacesFor(settings.placement, topology);
  ctx.pool->Place(places);
  if (!places.empty()) caller_ = std::make_unique<CallerPlace>(places.front());
}

}  // namespace mcv
