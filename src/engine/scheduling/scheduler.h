// Shares one model, one set of buffers and one pool of threads among any number of conversations.
//
// There is no thread of its own. Whoever waits for an answer computes: one of the waiting threads
// takes a turn at a time and runs one step for all of them (a token of every answer that is being
// written, beside one piece of one prompt), and another may take the next. With one guest that is
// the plain loop in the guest's own thread. Views of pictures are encoded in turns of their own,
// between steps.
//
// What an answer says does not depend on who else is there (docs/decisions: numeric policy).
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/thread_pool.h"
#include "base/trace.h"
#include "engine/generation/generate.h"
#include "engine/scheduling/turn.h"
#include "engine/threads/thread_settings.h"
#include "model/text/text_model.h"
#include "model/vision/vision_encoder.h"

namespace mcv {

// What computes: the engine's, or a test's.
struct ComputeParts {
  std::shared_ptr<const void> owned;  // outlives everything here
  std::unique_ptr<TextModel> text;
  std::unique_ptr<ViewEncoder> encoder;  // null: text only
  ThreadPool* pool = nullptr;            // for resizing; may be null
  // Where the time of what runs now is written down. May be empty.
  std::function<void(Trace*)> set_trace;
  // Called when a stage begins; what it returns is destroyed by the same thread when it ends. May
  // be empty.
  std::function<std::unique_ptr<StageScope>(Stage)> enter_stage;
  // Called when the encoder is about to be used (is the language model in use as well?), when it
  // will not be used for a while, and when the language model is about to be used.
  std::function<void(bool text_in_use)> before_encoding;
  std::function<void()> after_encoding;
  std::function<void()> before_reading;
  // Called after every step and view: an error where the weights were lost meanwhile, which then is
  // what everybody is told. Quick. May be empty.
  std::function<Status()> check_weights;
};

struct AnswerRequest {
  TextSequence* sequence = nullptr;  // nobody else's
  TextInput prompt;
  // Its on_token is called by whichever thread computes, never by two at a time; it must be quick
  // and not call back. `cancel` is looked at between layers of the prompt and between tokens.
  GenerateOptions generate;
  // Called by the requester's own thread after steps: prompt tokens read so far.
  std::function<void(int64_t done, int64_t total)> on_prompt;
  // The same, when there may be new tokens to show.
  std::function<void()> on_progress;
};

// Any number of threads.
class Scheduler {
 public:
  explicit Scheduler(ComputeParts parts);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  const TextModel& text() const { return *parts_.text; }
  std::unique_ptr<TextSequence> NewSequence() { return parts_.text->NewSequence(); }
  // Null: text only. For what does not change: rows and width.
  const ViewEncoder* encoder() const { return parts_.encoder.get(); }

  // Reads the prompt and writes the answer; returns when it is complete. Errors as TextModel::Step,
  // and Cancelled while the prompt is read: then the sequence is as it was. *prefill_seconds: from
  // the request to the prompt's last logits.
  Result<Generated> Answer(const AnswerRequest& request, double* prefill_seconds);

  // While one lives its thread encodes a picture: the encoder stays, whatever is answered
  // meanwhile.
  class Picture {
   public:
    Picture(Scheduler& scheduler, Trace* trace);
    ~Picture();
    Picture(const Picture&) = delete;
    Picture& operator=(const Picture&) = delete;

    // Runs `work` with the pool.
    void WithPool(const std::function<void(ThreadPool*)>& work);
    // out [Q, E]. Cancelled between layers.
    Status Encode(const View& view, const ViewPositions& positions, const std::atomic<bool>* cancel,
                  MatView out);

   private:
    Scheduler& scheduler_;
    Trace* trace_;
  };

 private:
  struct Job;
  struct Hold;

  void Drive(Hold& hold);
  std::vector<Job*> Admitted(const std::vector<Job*>& jobs) const;
  void RunStep(const std::vector<Job*>& jobs, Hold& hold);
  Status Compute(const std::vector<Job*>& jobs, Trace* trace);
  void End(Job& job, const Status& status);
  void Enter(Stage stage, Trace* trace, Hold& hold);
  void MakeTextReady();
  void MakeEncoderReady();

  ComputeParts parts_;
  TurnQueue turn_;  // everything below the line is used in a turn only

  std::mutex mutex_;  // jobs_, driving_, pictures_
  std::condition_variable changed_;
  std::vector<Job*> jobs_;
  bool driving_ = false;
  int pictures_ = 0;
  // ----
  const Hold* last_hold_ = nullptr;  // whose stage the pool is set to
  bool encoder_ready_ = false;
  bool text_ready_ = false;
  size_t next_prompt_ = 0;  // prompts take turns
  std::vector<TextRun> runs_;
  std::vector<float> logits_;
};

}  // namespace mcv
