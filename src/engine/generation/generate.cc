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

Result<Generated> GenerateOneByOne(TextModel& model, MatView logits,
                                   const GenerateOptions& options) {
  Sampler sampler(options.sampling);
  Generated out;
  const int64_t start = model.length();
  const auto finish = [&](StopReason reason) {
    out.reason = reason;
    out.positions_held = model.length() - start;
    return out;
  };
  while (true) {
    if (static_cast<int64_t>(out.ids.size()) >= options.max_tokens) {
      return finish(StopReason::kMaxTokens);
    }
    if (IsCancelled(options)) return finish(StopReason::kCancelled);
    int32_t id = 0;
    {
      TraceScope scope(options.trace, Zone::kSample);
      id = sampler.Choose({logits.data, static_cast<size_t>(logits.cols)}, options.prompt, out.ids,
                          start + static_cast<int64_t>(out.ids.size()));
    }
    if (IsStop(options, id)) return finish(StopReason::kStopToken);
    out.ids.push_back(id);
    if (options.on_token && !options.on_token(id)) return finish(StopReason::kStopString);
    if (static_cast<int64_t>(out.ids.size()) >= options.max_tokens) {
      return finish(StopReason::kMaxTokens);
    }
    if (model.length() >= model.capacity()) return finish(StopReason::kContextFull);
    TraceScope scope(options.trace, Zone::kDecode);
    MCV_RETURN_IF_ERROR(model.Append({{&out.ids.back(), 1}, {}}, {}, logits));
  }
}

Result<Generated> Generate(TextModel& model, MatView logits, const GenerateOptions& options) {
  return options.sampling.num_beams > 1 ? GenerateByBeams(model, logits, options)
                                        : GenerateOneByOne(model, logits, options);
}

}  // namespace mcv
