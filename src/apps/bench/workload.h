// Our own side of a run: what the fresh process does that a run is measured in.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "apps/bench/measured.h"
#include "apps/bench/plan.h"
#include "base/status.h"
#include "engine/engine.h"
#include "formats/image/image.h"

namespace mcv::bench {

struct WorkloadOptions {
  JobKind kind = JobKind::kLoad;
  int64_t tokens = 0;         // prefill: of the prompt; decode: of context before it; of
                              // decode-many the sequences
  int64_t decode_tokens = 0;  // decode: timed, one at a time, of each sequence; answer: at most
  std::string picture;
  std::string question;
  const std::atomic<bool>* cancel = nullptr;
};

// Opens the model (timed) and does the work once. Prompts of prefill and decode are token ids drawn
// from a fixed seed, so that they are exactly as long as asked for with any tokenizer. After a
// short warm-up that touches every weight, as llama-bench does; pictures come without one, as on
// the peer's side.
Result<Measured> RunWorkload(const WorkloadOptions& options,
                             const std::function<Result<std::shared_ptr<const Engine>>()>& open);

// A question that this tokenizer cuts into exactly `tokens` tokens; InvalidArgument if none is
// found.
Result<std::string> QuestionOfTokens(const Tokenizer& tokenizer, int64_t tokens);

// A square picture with smooth and busy parts, the same every time. side >= 1.
Image DrawPicture(int side);

}  // namespace mcv::bench
