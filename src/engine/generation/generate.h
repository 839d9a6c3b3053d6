// From the prompt's last logits to an answer's tokens: one at a time, or by beam search.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
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
  // Positions that the sequence holds for `ids`; the last token of an answer has not been read.
  int64_t positions_held = 0;
};

// An answer in the making, without anybody's loop: whoever drives it computes the runs that it asks
// for, alone or beside those of others, and hands it their logits. One thread at a time.
class Generation {
 public:
  virtual ~Generation() = default;

  // Rows of logits that it waits for: of the prompt's last position at first, then of its runs.
  virtual int64_t rows() const = 0;
  // Chooses from logits [rows, V], which it may overwrite; false when the answer is complete.
  virtual bool Take(MatView logits) = 0;
  // What must be read next, one token each, every one with its last logits. After Take said true;
  // the same until Take is called again.
  virtual std::span<const TextRun> Runs() = 0;
  // After Take said false, or at any time for what there is so far: ends it.
  virtual Generated Finish() = 0;
};

// `sequence` holds the prompt; both it and `model` must outlive the generation. Greedy and sampled
// answers grow the sequence itself. Beam search, as the published models run it (Hugging Face's
// scorer: 2 or more candidates per beam, hypotheses scored by sum / length^penalty, the repetition
// penalty on log-probabilities), works on forks of it: it holds only the prompt afterwards.
std::unique_ptr<Generation> MakeGeneration(TextModel& model, TextSequence& sequence,
                                           const GenerateOptions& options);

// Of MakeGeneration, for beams > 1.
std::unique_ptr<Generation> MakeBeamSearch(TextModel& model, TextSequence& sequence,
                                           const GenerateOptions& options);

}  // namespace mcv
