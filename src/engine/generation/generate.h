// From the prompt's last logits to an answer's tokens: one at a time, or by beam search.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/trace.h"
#include "engine/generation/sampling_options.h"
#include "model/text/text_model.h"

namespace mcv {

enum class StopReason {
  kStopToken,    // the model ended its answer
  kStopString,   // a string that the caller asked to stop at
  kMaxTokens,    // as many tokens as the caller allowed
  kContextFull,  // no position left
  kCancelled,    // the caller asked to stop; what was generated so far is the answer
};
const char* StopReasonName(StopReason reason);

struct GenerateOptions {
  SamplingOptions sampling;  // validated
  int64_t max_tokens = 0;
  std::span<const int32_t> stop_ids;
  std::span<const int32_t> prompt;  // for a repetition penalty that sees it
  const std::atomic<bool>* cancel = nullptr;
  // Sees each token once it is certain, stop tokens excepted; false ends the answer with
  // kStopString. With beams all tokens come at the end.
  std::function<bool(int32_t id)> on_token;
  Trace* trace = nullptr;
};

struct Generated {
  std::vector<int32_t> ids;  // without the stop token
  StopReason reason = StopReason::kStopToken;
  // Positions that the model holds for `ids`; the last token of an answer has not been read by it.
  int64_t positions_held = 0;
};

// The model holds the prompt; `logits` [1, V] are those of its last position and are overwritten.
// sampling.num_beams must be 1.
Result<Generated> GenerateOneByOne(TextModel& model, MatView logits,
                                   const GenerateOptions& options);

// Beam search as the published models run it (Hugging Face's scorer: 2 or more candidates per beam,
// hypotheses scored by sum / length^penalty, the repetition penalty on log-probabilities). The
// model holds only the prompt afterwards.
Result<Generated> GenerateByBeams(TextModel& model, MatView logits, const GenerateOptions& options);

// Whichever the options ask for.
Result<Generated> Generate(TextModel& model, MatView logits, const GenerateOptions& options);

}  // namespace mcv
