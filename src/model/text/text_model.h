// What a conversation needs of a language model, and no more: so that stop rules, context limits,
// searches and scheduling can be tested with a scripted model.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"
#include "model/taps.h"

namespace mcv {

// A place in a sequence that it can go back to. It is good as long as the sequence has not gone
// back to an earlier one. Attention keeps every position, so a length is all there is to it; a
// layer whose state has a fixed size (a recurrent one) keeps a copy of that state here.
struct SequenceMark {
  int64_t length = 0;
};

// What a model has read of one conversation: positions that grow at the end. One thread at a time.
class TextSequence {
 public:
  virtual ~TextSequence() = default;

  virtual int64_t length() const = 0;  // positions held
  virtual SequenceMark Mark() const = 0;
  // Forgets what came after the mark; SequenceMark{} is the empty sequence.
  virtual void Rewind(const SequenceMark& mark) = 0;
  // A second sequence that holds the same; what both hold is kept once.
  virtual std::unique_ptr<TextSequence> Fork() const = 0;

  // Everything that is held, as bytes that an equal model can go on from: piece by piece in a fixed
  // order, StateBytes() in all.
  virtual int64_t StateBytes(int64_t positions) const = 0;
  virtual void SaveState(const std::function<void(std::span<const std::byte>)>& write) const = 0;
  // Into an empty sequence; bytes.size() == StateBytes(positions). ResourceExhausted leaves it
  // empty.
  virtual Status LoadState(int64_t positions, std::span<const std::byte> bytes) = 0;
};

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

enum class LogitsWanted { kNone, kLast, kAll };

// A sequence's part of a step: what it reads next, and which of the new positions get logits.
struct TextRun {
  TextSequence* sequence = nullptr;  // of this model; none twice in a step
  TextInput input;                   // at least one id
  LogitsWanted logits = LogitsWanted::kLast;

  int64_t rows() const { return static_cast<int64_t>(input.ids.size()); }
  int64_t logit_rows() const {
    return logits == LogitsWanted::kAll ? rows() : logits == LogitsWanted::kLast ? 1 : 0;
  }
};

struct StepOptions {
  const std::atomic<bool>* cancel = nullptr;  // looked at between layers
  const TapSink* taps = nullptr;
};

// One thread at a time.
class TextModel {
 public:
  virtual ~TextModel() = default;

  virtual int vocab() const = 0;
  virtual int width() const = 0;
  virtual int64_t capacity() const = 0;      // positions that a sequence may hold
  virtual int64_t batch_tokens() const = 0;  // as many of a prompt are read at a time

  virtual std::unique_ptr<TextSequence> NewSequence() = 0;

  // One pass over the weights for all runs, shortest first, at most kMostSequences. logits [R, V]:
  // the rows that are wanted, run by run. A run's numbers do not depend on the others
  // (docs/decisions: numeric policy).
  //   ContextFull        a sequence would exceed the capacity
  //   ResourceExhausted  no memory for its positions
  //   Cancelled          between two layers
  //   Corrupt            the weights gave a logit that is no number
  // An error leaves every sequence as it was.
  virtual Status Step(std::span<const TextRun> runs, const StepOptions& options,
                      MatView logits) = 0;
};

// The part of the pictures that lies in [first, first + count) of an input, counted from `first`:
// for whoever reads a prompt piece by piece.
void ImagesInside(std::span<const ImageRows> images, int64_t first, int64_t count,
                  std::vector<ImageRows>* inside);
// ContextFull with the three numbers.
Status NoRoom(int64_t capacity, int64_t held, int64_t wanted);

struct AppendOptions {
  LogitsWanted logits = LogitsWanted::kLast;
  const std::atomic<bool>* cancel = nullptr;  // looked at between layers
  const TapSink* taps = nullptr;
  std::function<void(int64_t done, int64_t total)> on_progress = nullptr;  // after each batch
};

// Reads all of `input` behind the sequence, batch_tokens at a time. logits [1, V] for the last
// position, or [ids, V] for all. Errors as Step; the sequence is then as it was.
Status Append(TextModel& model, TextSequence& sequence, const TextInput& input,
              const AppendOptions& options, MatView logits);

}  // namespace mcv
