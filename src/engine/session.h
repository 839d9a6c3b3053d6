// One conversation: its pictures, its turns, and the cache of what the model has read.
//
// A picture is encoded once, when it is added. A question is answered from the longest part of the
// conversation that the cache already holds, so a further turn costs only its own tokens.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/trace.h"
#include "engine/generate.h"
#include "engine/sampling_options.h"
#include "engine/stats.h"
#include "formats/image/image.h"
#include "model/text/text_model.h"
#include "model/vision/vision_encoder.h"
#include "spec/config.h"
#include "spec/tokenizer/tokenizer.h"

namespace mcv {

struct ViewProgress {
  int views_done = 0;
  int num_views = 0;
  double seconds_spent = 0.0;
  double seconds_left = 0.0;  // from the patches still to do; 0 before the first view is done
};

struct AddImageOptions {
  // Called before the first view and after each.
  std::function<void(const ViewProgress&)> on_progress;
  const std::atomic<bool>* cancel = nullptr;  // looked at between views and between layers
};

struct Question {
  std::string text;         // valid UTF-8, not blank
  std::vector<int> images;  // pictures that come before the text, by AddImage's number
};

struct AskOptions {
  SamplingOptions sampling;                   // greedy by default
  int64_t max_tokens = 0;                     // 0: the version's own number
  std::vector<std::string> stop_strings;      // the answer ends before the first that appears
  const std::atomic<bool>* cancel = nullptr;  // looked at between tokens
};

struct AskCallbacks {
  // Pieces of the answer in order, each valid UTF-8; together they are the answer.
  std::function<void(std::string_view text)> on_text;
  // Prompt tokens read so far; called after each batch.
  std::function<void(int64_t done, int64_t total)> on_prompt;
};

struct Answer {
  std::string text;  // without blanks around it
  std::vector<int32_t> ids;
  StopReason reason = StopReason::kStopToken;
  AnswerStats stats;
};

struct Turn {
  enum class Role { kUser, kAssistant };
  Role role = Role::kUser;
  std::string text;
  std::vector<int> images;
};

// What a session works with. Models are owned; config, tokenizer and `owner` outlive it.
struct SessionParts {
  const ModelConfig* config = nullptr;
  const Tokenizer* tokenizer = nullptr;
  std::unique_ptr<TextModel> text;
  std::unique_ptr<ViewEncoder> encoder;  // null: text only
  Trace* trace = nullptr;
  ThreadPool* pool = nullptr;             // for resizing; may be null
  std::function<void()> release_encoder;  // gives the encoder's pages back to the system
  std::shared_ptr<const void> owner;      // kept alive
};

// One thread at a time; `cancel` flags may be set from anywhere, a signal handler included.
class Session {
 public:
  explicit Session(SessionParts parts);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Encodes the picture and returns its number, counted from 0. Equal pixels are encoded once per
  // session and get the number of the first. Unsupported without an encoder; Cancelled leaves the
  // session as it was.
  Result<int> AddImage(const Image& image, const AddImageOptions& options = {});

  // Appends the question and the answer to the conversation. An error leaves the conversation as it
  // was:
  //   InvalidArgument  blank or not UTF-8, a number that is no picture, sampling out of range, a
  //                    picture where the version cannot take one
  //   ContextFull      the prompt does not fit: the message says how many positions are needed and
  //                    how many there are, and what to do
  //   Cancelled        stopped before the answer's first token
  // Later than that, cancelling or a full context end the answer with its reason.
  Result<Answer> Ask(const Question& question, const AskOptions& options = {},
                     const AskCallbacks& callbacks = {});

  // Replaces the version's default system message; "" for none. Forgets nothing.
  Status SetSystem(const std::string& system);
  // Forgets the turns; pictures keep their numbers and need not be encoded again.
  void Clear();

  const std::vector<Turn>& turns() const { return turns_; }
  int num_images() const;
  const PictureStats& picture_stats(int image) const;
  int64_t context_length() const;
  // Positions that the conversation takes now.
  int64_t context_used() const;
  const ModelConfig& config() const { return *parts_.config; }
  // Where the session's time went, all turns together.
  const Trace& trace() const;

 private:
  struct Picture;
  struct Prompt;

  Status CheckQuestion(const Question& question, const AskOptions& options) const;
  Result<Prompt> BuildPrompt(const std::vector<Turn>& turns) const;
  Status EncodeViews(const Image& image, const AddImageOptions& options, Picture* picture);
  Status ReadPrompt(const Prompt& prompt, const AskOptions& options, const AskCallbacks& callbacks,
                    AnswerStats* stats);
  Result<Answer> GenerateAnswer(const Prompt& prompt, const AskOptions& options,
                                const AskCallbacks& callbacks, AnswerStats stats);
  Status ContextTooSmall(const Prompt& prompt) const;
  void ReleaseEncoder();

  SessionParts parts_;
  Trace own_trace_;
  std::vector<std::unique_ptr<Picture>> pictures_;
  std::vector<Turn> turns_;
  std::optional<std::string> system_;
  // What each held position is: token ids, or a picture's row. Equal keys, equal cache contents.
  std::vector<uint64_t> held_;
  std::vector<float> logits_;  // [1, V]
  bool encoder_used_ = false;
};

}  // namespace mcv
