#include "engine/generation/generate.h"

#include <algorithm>

#include "engine/generation/sampler.h"

namespace mcv {

namespace {

bool IsCancelled(const GenerateOptions& options) {
  return options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed);
}

bool IsStop(const GenerateOptions& options, int32_t id) {
  return std::find(options.stop_ids.begin(), options.stop_ids.end(), id) != options.stop_ids.end();
}

}  // namespace

const char* StopReasonName(StopReason reason) {
  switch (reason) {
    case StopReason::kStopToken:
      return "stop_token";
    case StopReason::kStopString:
      return "stop_string";
    case StopReason::kMaxTokens:
      return "max_tokens";
    case StopReason::kContextFull:
      return "context_full";
    case StopReason::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

namespace {

class OneByOne final : public Generation {
 public:
  OneByOne(TextModel& model, TextSequence& sequence, const GenerateOptions& options)
      : model_(model),
        sequence_(sequence),
        options_(options),
        sampler_(options.sampling),
        start_(sequence.length()) {}

  int64_t rows() const override { return 1; }

  bool Take(MatView logits) override {
    if (HasAllTokens()) return End(StopReason::kMaxTokens);
    if (IsCancelled(options_)) return End(StopReason::kCancelled);
    const int32_t id = Choose(logits);
    if (IsStop(options_, id)) return End(StopReason::kStopToken);
    ids_.push_back(id);
    if (options_.on_token && !options_.on_token(id)) return End(StopReason::kStopString);
    if (HasAllTokens()) return End(StopReason::kMaxTokens);
    if (sequence_.length() >= model_.capacity()) return End(StopReason::kContextFull);
    return true;
  }

  std::span<const TextRun> Runs() override {
    run_ = {&sequence_, {{&ids_.back(), 1}, {}}, LogitsWanted::kLast};
    return {&run_, 1};
  }

  Generated Finish() override { return {std::move(ids_), reason_, sequence_.length() - start_}; }

 private:
  bool HasAllTokens() const { return static_cast<int64_t>(ids_.size()) >= options_.max_tokens; }
  bool End(StopReason reason) {
    reason_ = reason;
    return false;
  }
  int32_t Choose(MatView logits) {
    TraceScope scope(options_.trace, Zone::kSample);
    return sampler_.Choose({logits.data, static_cast<size_t>(logits.cols)}, options_.prompt, ids_,
                           start_ + static_cast<int64_t>(ids_.size()));
  }

  TextModel& model_;
  TextSequence& sequence_;
  const GenerateOptions options_;
  Sampler sampler_;
  const int64_t start_;
  std::vector<int32_t> ids_;
  StopReason reason_ = StopReason::kCancelled;
  TextRun run_;
};

}  // namespace

std::unique_ptr<Generation> MakeGeneration(TextModel& model, TextSequence& sequence,
                                           const GenerateOptions& options) {
  if (options.sampling.num_beams > 1) return MakeBeamSearch(model, sequence, options);
  return std::make_unique<OneByOne>(model, sequence, options);
}

}  // namespace mcv
