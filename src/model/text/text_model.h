// What a conversation needs of a language model, and no more: so that stop rules, context limits
// and searches can be tested with a scripted model.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"
#include "model/taps.h"

namespace mcv {

// Rows [begin, end) of the input are a picture's rows instead of their ids' embeddings.
struct ImageRows {
  int64_t begin = 0;
  int64_t end = 0;
  ConstMatView rows;  // [end - begin, E]
};

struct TextInput {
  std::span<const int32_t> ids;       // all inside the vocabulary
  std::span<const ImageRows> images;  // in order, disjoint, inside ids
};

enum class LogitsWanted { kLast, kAll };

struct AppendOptions {
  LogitsWanted logits = LogitsWanted::kLast;
  const std::atomic<bool>* cancel = nullptr;  // looked at between batches of tokens
  const TapSink* taps = nullptr;
  std::function<void(int64_t done, int64_t total)> on_progress = nullptr;  // after each batch
};

// One sequence of positions that grows at its end and can be cut. One thread.
class TextModel {
 public:
  virtual ~TextModel() = default;

  virtual int vocab() const = 0;
  virtual int width() const = 0;
  virtual int64_t capacity() const = 0;  // positions that fit
  virtual int64_t length() const = 0;    // positions held
  virtual void Truncate(int64_t length) = 0;

  // Appends the input. logits [1, V] for the last position, or [ids, V] for all.
  // ContextFull if it does not fit, Cancelled; in both cases the length is what it was before.
  virtual Status Append(const TextInput& input, const AppendOptions& options, MatView logits) = 0;

  // Beams share the positions held now and add at most max_rows each.
  virtual Status BeginBeams(int beams, int64_t max_rows) = 0;
  // Beam b goes on from parents[b] with tokens[b]. logits [beams, V].
  virtual Status StepBeams(std::span<const int> parents, std::span<const int32_t> tokens,
                           MatView logits) = 0;
  // Forgets the beams; the shared positions stay.
  virtual void EndBeams() = 0;
};

}  // namespace mcv
