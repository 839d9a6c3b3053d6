// Scripted models for tests: a language model that says what it is told to, and an encoder that
// writes down what it was shown.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/text/text_model.h"
#include "model/vision/vision_encoder.h"

namespace mcv {

class FakeSequence final : public TextSequence {
 public:
  int64_t length() const override { return static_cast<int64_t>(history.size()); }
  SequenceMark Mark() const override { return {length()}; }
  void Rewind(const SequenceMark& mark) override {
    history.resize(static_cast<size_t>(mark.length));
  }
  std::unique_ptr<TextSequence> Fork() const override {
    return std::make_unique<FakeSequence>(*this);
  }
  int64_t StateBytes(int64_t positions) const override {
    return positions * static_cast<int64_t>(sizeof(int32_t));
  }
  void SaveState(const std::function<void(std::span<const std::byte>)>& write) const override {
    write(std::as_bytes(std::span(history)));
  }
  Status LoadState(int64_t positions, std::span<const std::byte> bytes) override {
    history.resize(static_cast<size_t>(positions));
    std::copy_n(reinterpret_cast<const int32_t*>(bytes.data()), positions, history.begin());
    return OkStatus();
  }

  std::vector<int32_t> history;  // ids held
  int answer = 0;                // prompts read: which script it follows
  int step = 0;                  // tokens of the answer read
};

// Logits are a function of the ids held. Limits behave as the real decoder's.
class FakeTextModel final : public TextModel {
 public:
  using LogitsOf = std::function<std::vector<float>(const std::vector<int32_t>& history)>;

  FakeTextModel(int vocab, int64_t capacity, LogitsOf logits_of)
      : vocab_(vocab), capacity_(capacity), logits_of_(std::move(logits_of)) {}

  // Answers one script after the other: each prompt (more than one id at once) begins the next.
  static FakeTextModel* Scripted(int vocab, int64_t capacity,
                                 std::vector<std::vector<int32_t>> answers) {
    auto* model = new FakeTextModel(vocab, capacity, nullptr);
    model->answers_ = std::move(answers);
    return model;
  }

  int vocab() const override { return vocab_; }
  int width() const override { return 4; }
  int64_t capacity() const override { return capacity_; }
  int64_t batch_tokens() const override { return batch_tokens_; }
  std::unique_ptr<TextSequence> NewSequence() override {
    auto sequence = std::make_unique<FakeSequence>();
    if (first_ == nullptr) first_ = sequence.get();
    return sequence;
  }

  Status Step(std::span<const TextRun> runs, const StepOptions& options, MatView logits) override {
    if (options.cancel != nullptr && options.cancel->load()) return Cancelled("stopped");
    for (const TextRun& run : runs) {
      if (run.rows() > capacity_ - run.sequence->length()) return ContextFull("full");
    }
    ++steps_;
    most_runs_ = std::max(most_runs_, static_cast<int>(runs.size()));
    int64_t row = 0;
    for (const TextRun& run : runs) {
      Read(run);
      if (run.logit_rows() > 0) Write(static_cast<FakeSequence&>(*run.sequence), logits.Row(row));
      row += run.logit_rows();
    }
    return OkStatus();
  }

  struct SeenImage {
    int64_t begin = 0;
    int64_t end = 0;
    float first_value = 0.0f;
  };
  // Of the first sequence that was made, while it lives.
  const std::vector<int32_t>& history() const { return first_->history; }
  const std::vector<SeenImage>& images() const { return images_; }
  int steps() const { return steps_; }
  int most_runs() const { return most_runs_; }  // in one step
  int64_t tokens_read() const { return tokens_read_; }
  void set_batch_tokens(int64_t tokens) { batch_tokens_ = tokens; }

 private:
  void Read(const TextRun& run) {
    auto& sequence = static_cast<FakeSequence&>(*run.sequence);
    tokens_read_ += run.rows();
    for (const ImageRows& image : run.input.images) {
      images_.push_back(
          {sequence.length() + image.begin, sequence.length() + image.end, image.rows.Row(0)[0]});
    }
    sequence.history.insert(sequence.history.end(), run.input.ids.begin(), run.input.ids.end());
    if (run.rows() > 1) {
      ++sequence.answer;
      sequence.step = 0;
    } else {
      ++sequence.step;
    }
  }

  void Write(const FakeSequence& sequence, float* out) const {
    if (logits_of_) {
      const std::vector<float> logits = logits_of_(sequence.history);
      std::copy(logits.begin(), logits.end(), out);
      return;
    }
    std::fill_n(out, vocab_, 0.0f);
    if (answers_.empty()) return;
    const std::vector<int32_t>& script =
        answers_[static_cast<size_t>(sequence.answer - 1) % answers_.size()];
    const auto step = static_cast<size_t>(sequence.step);
    if (step < script.size()) out[script[step]] = 10.0f;
  }

  int vocab_;
  int64_t capacity_;
  int64_t batch_tokens_ = int64_t{1} << 20;
  LogitsOf logits_of_;
  std::vector<std::vector<int32_t>> answers_;
  const FakeSequence* first_ = nullptr;
  std::vector<SeenImage> images_;
  int64_t tokens_read_ = 0;
  int steps_ = 0;
  int most_runs_ = 0;
};

// Every row of the n-th view encoded so far is n.
class FakeViewEncoder final : public ViewEncoder {
 public:
  explicit FakeViewEncoder(int queries) : queries_(queries) {}

  int rows_per_view() const override { return queries_; }
  int width() const override { return 4; }
  Status Encode(const View&, const ViewPositions&, const VisionStep& step, MatView out) override {
    if (step.cancel != nullptr && step.cancel->load()) return Cancelled("stopped");
    std::fill_n(out.data, out.rows * out.cols, static_cast<float>(encoded_));
    ++encoded_;
    return OkStatus();
  }
  void Release() override { ++released_; }

  int encoded() const { return encoded_; }
  int released() const { return released_; }

 private:
  int queries_;
  int encoded_ = 0;
  int released_ = 0;
};

}  // namespace mcv
