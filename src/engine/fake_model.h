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

// Logits are a function of the ids held. `length`, limits and beams behave as the real decoder's.
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
  int64_t length() const override { return static_cast<int64_t>(history_.size()); }
  void Truncate(int64_t length) override { history_.resize(static_cast<size_t>(length)); }

  Status Append(const TextInput& input, const AppendOptions& options, MatView logits) override {
    if (options.cancel != nullptr && options.cancel->load()) return Cancelled("stopped");
    if (static_cast<int64_t>(input.ids.size()) > capacity_ - length()) return ContextFull("full");
    ++appends_;
    tokens_read_ += static_cast<int64_t>(input.ids.size());
    for (const ImageRows& image : input.images) {
      images_.push_back({length() + image.begin, length() + image.end, image.rows.Row(0)[0]});
    }
    history_.insert(history_.end(), input.ids.begin(), input.ids.end());
    if (input.ids.size() > 1) {
      ++answer_;
      step_ = 0;
    } else {
      ++step_;
    }
    Write(history_, logits.data);
    if (options.on_progress) {
      options.on_progress(static_cast<int64_t>(input.ids.size()),
                          static_cast<int64_t>(input.ids.size()));
    }
    return OkStatus();
  }

  Status BeginBeams(int beams, int64_t max_rows) override {
    if (max_rows > capacity_ - length()) return ContextFull("full");
    beams_.assign(static_cast<size_t>(beams), {});
    max_rows_ = max_rows;
    return OkStatus();
  }
  Status StepBeams(std::span<const int> parents, std::span<const int32_t> tokens,
                   MatView logits) override {
    std::vector<std::vector<int32_t>> next;
    for (size_t b = 0; b < parents.size(); ++b) {
      next.push_back(beams_[static_cast<size_t>(parents[b])]);
      next.back().push_back(tokens[b]);
      if (static_cast<int64_t>(next.back().size()) > max_rows_) return ContextFull("beams full");
      std::vector<int32_t> history = history_;
      history.insert(history.end(), next.back().begin(), next.back().end());
      Write(history, logits.Row(static_cast<int64_t>(b)));
    }
    beams_ = std::move(next);
    return OkStatus();
  }
  void EndBeams() override { beams_.clear(); }

  struct SeenImage {
    int64_t begin = 0;
    int64_t end = 0;
    float first_value = 0.0f;
  };
  const std::vector<int32_t>& history() const { return history_; }
  const std::vector<SeenImage>& images() const { return images_; }
  int appends() const { return appends_; }
  int64_t tokens_read() const { return tokens_read_; }

 private:
  void Write(const std::vector<int32_t>& history, float* out) const {
    if (logits_of_) {
      const std::vector<float> logits = logits_of_(history);
      std::copy(logits.begin(), logits.end(), out);
      return;
    }
    std::fill_n(out, vocab_, 0.0f);
    if (answers_.empty()) return;
    const std::vector<int32_t>& script =
        answers_[static_cast<size_t>(answer_ - 1) % answers_.size()];
    if (static_cast<size_t>(step_) < script.size()) out[script[static_cast<size_t>(step_)]] = 10.0f;
  }

  int vocab_;
  int64_t capacity_;
  LogitsOf logits_of_;
  std::vector<std::vector<int32_t>> answers_;
  std::vector<int32_t> history_;
  std::vector<SeenImage> images_;
  std::vector<std::vector<int32_t>> beams_;
  int64_t max_rows_ = 0;
  int64_t tokens_read_ = 0;
  int appends_ = 0;
  int answer_ = 0;
  int step_ = 0;
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
