#include "engine/scheduling/scheduler.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/clock.h"

namespace mcv {

// One answer in the making. What lies under `done` belongs to whoever drives until that is set.
struct Scheduler::Job {
  explicit Job(const AnswerRequest& wanted) : request(wanted), before(wanted.sequence->Mark()) {}

  int64_t prompt_rows() const { return static_cast<int64_t>(request.prompt.ids.size()); }
  bool is_reading() const { return generation == nullptr; }
  bool is_cancelled() const {
    const std::atomic<bool>* cancel = request.generate.cancel;
    return cancel != nullptr && cancel->load(std::memory_order_relaxed);
  }
  // Runs that its next step takes.
  int64_t num_runs() const { return is_reading() ? 1 : std::max<int64_t>(1, generation->rows()); }

  const AnswerRequest& request;
  const SequenceMark before;
  const Clock::time_point start = Clock::now();
  std::atomic<int64_t> read = 0;  // of the prompt
  std::unique_ptr<Generation> generation;
  std::vector<ImageRows> images;  // of the piece that is read now
  double prefill_seconds = 0.0;
  Status status;
  bool done = false;  // under the scheduler's mutex
};

// What a thread keeps between its turns: the stage that it has entered.
struct Scheduler::Hold {
  bool entered = false;
  Stage stage = Stage::kDecode;
  std::unique_ptr<StageScope> scope;
};

Scheduler::Scheduler(ComputeParts parts) : parts_(std::move(parts)) {
  MCV_CHECK(parts_.text != nullptr);
}

Scheduler::~Scheduler() = default;

Result<Generated> Scheduler::Answer(const AnswerRequest& request, double* prefill_seconds) {
  MCV_CHECK(request.sequence != nullptr && !request.prompt.ids.empty());
  Job job(request);
  Hold hold;
  int64_t told = 0;
  std::unique_lock lock(mutex_);
  jobs_.push_back(&job);
  while (!job.done) {
    if (driving_) {
      changed_.wait(lock);
    } else {
      driving_ = true;
      lock.unlock();
      Drive(hold);
      lock.lock();
      driving_ = false;
      changed_.notify_all();
    }
    lock.unlock();
    if (const int64_t read = job.read; read != told) {
      told = read;
      if (request.on_prompt) request.on_prompt(read, job.prompt_rows());
    }
    if (request.on_progress) request.on_progress();
    lock.lock();
  }
  lock.unlock();
  *prefill_seconds = job.prefill_seconds;
  if (!job.status.ok()) {
    job.generation.reset();
    request.sequence->Rewind(job.before);
    return job.status;
  }
  return job.generation->Finish();
}

// One step, in a turn. Nothing may be thrown past this: other guests wait for it.
void Scheduler::Drive(Hold& hold) {
  const std::lock_guard turn(turn_);
  std::vector<Job*> jobs;
  {
    const std::lock_guard lock(mutex_);
    jobs = Admitted(jobs_);
  }
  try {
    RunStep(jobs, hold);
  } catch (const std::bad_alloc&) {
    for (Job* job : jobs) End(*job, ResourceExhausted("no memory for a step of the model"));
  } catch (const std::exception& error) {
    for (Job* job : jobs) End(*job, Internal(std::string("a step failed: ") + error.what()));
  }
}

// Every answer that is being written and one prompt, as many as fit into a step; who does not fit
// waits, first come first served. The one prompt comes last.
std::vector<Scheduler::Job*> Scheduler::Admitted(const std::vector<Job*>& jobs) const {
  std::vector<Job*> admitted, prompts;
  int64_t runs = 0;
  for (Job* job : jobs) {
    if (job->done) continue;
    if (job->is_reading()) {
      prompts.push_back(job);
    } else if (runs + job->num_runs() <= kMostSequences) {
      runs += job->num_runs();
      admitted.push_back(job);
    }
  }
  if (!prompts.empty() && runs < kMostSequences)
    admitted.push_back(prompts[next_prompt_ % prompts.size()]);
  return admitted;
}

void Scheduler::RunStep(const std::vector<Job*>& jobs, Hold& hold) {
  if (jobs.empty()) return;
  Job& last = *jobs.back();
  if (last.is_reading() && last.is_cancelled()) {
    return End(last, Cancelled("stopped while reading the prompt"));
  }
  Trace* trace = jobs.size() == 1 ? last.request.generate.trace : nullptr;
  Enter(last.is_reading() ? Stage::kPrefill : Stage::kDecode, trace, hold);
  MakeTextReady();
  const Status status = Compute(jobs, trace);
  ++next_prompt_;
  if (status.ok()) return;
  if (jobs.size() == 1 || status.code() == StatusCode::kCancelled) return End(last, status);
  // Somebody's part cannot be had: each alone, so that only he hears of it.
  for (Job* job : jobs) {
    const Status own = Compute({job}, nullptr);
    if (!own.ok()) End(*job, own);
  }
}

// Nothing has changed when this fails.
Status Scheduler::Compute(const std::vector<Job*>& jobs, Trace* trace) {
  runs_.clear();
  StepOptions options;
  for (Job* job : jobs) {
    if (!job->is_reading()) {
      const auto own = job->generation->Runs();
      runs_.insert(runs_.end(), own.begin(), own.end());
      continue;
    }
    const int64_t first = job->read;
    const int64_t count = std::min(parts_.text->batch_tokens(), job->prompt_rows() - first);
    ImagesInside(job->request.prompt.images, first, count, &job->images);
    const auto ids =
        job->request.prompt.ids.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
    const bool is_end = first + count == job->prompt_rows();
    runs_.push_back({job->request.sequence,
                     {ids, job->images},
                     is_end ? LogitsWanted::kLast : LogitsWanted::kNone});
    options.cancel = job->request.generate.cancel;
  }
  int64_t rows = 0;
  for (const TextRun& run : runs_) rows += run.logit_rows();
  const int64_t vocab = parts_.text->vocab();
  if (logits_.size() < static_cast<size_t>(rows * vocab)) {
    logits_.resize(static_cast<size_t>(rows * vocab));
  }
  MatView logits(logits_.data(), rows, vocab);
  {
    TraceScope scope(trace, jobs.back()->is_reading() ? Zone::kPrefill : Zone::kDecode);
    MCV_RETURN_IF_ERROR(parts_.text->Step(runs_, options, logits));
  }
  // Sequences hold what was computed of them: who goes on must not go on from that.
  if (parts_.check_weights) MCV_RETURN_IF_ERROR(parts_.check_weights());
  int64_t row = 0;
  for (Job* job : jobs) {
    int64_t taken = 1;
    if (job->is_reading()) {
      const int64_t read = job->read + runs_.back().rows();
      job->read = read;
      if (read < job->prompt_rows()) continue;
      job->prefill_seconds = SecondsSince(job->start);
      job->generation = MakeGeneration(*parts_.text, *job->request.sequence, job->request.generate);
    } else {
      taken = job->num_runs();
    }
    const bool goes_on = job->generation->Take(logits.Rows(row, taken));
    row += taken;
    if (!goes_on) End(*job, OkStatus());
  }
  return OkStatus();
}

void Scheduler::End(Job& job, const Status& status) {
  const std::lock_guard lock(mutex_);
  if (job.done) return;
  job.status = status;
  job.done = true;
  jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
}

void Scheduler::Enter(Stage stage, Trace* trace, Hold& hold) {
  if (parts_.set_trace) parts_.set_trace(trace);
  if (last_hold_ == &hold && hold.entered && hold.stage == stage) return;
  last_hold_ = &hold;
  hold.entered = true;
  hold.stage = stage;
  hold.scope.reset();
  if (parts_.enter_stage) hold.scope = parts_.enter_stage(stage);
}

// The encoder's pages and buffers are given back before the language model's are touched, so that
// the two are never resident together, unless a picture is being encoded for somebody else.
void Scheduler::MakeTextReady() {
  bool encoding = false;
  {
    const std::lock_guard lock(mutex_);
    encoding = pictures_ > 0;
  }
  if (encoder_ready_ && !encoding) {
    encoder_ready_ = false;
    parts_.encoder->Release();
    if (parts_.after_encoding) parts_.after_encoding();
  }
  if (text_ready_) return;
  text_ready_ = true;
  if (parts_.before_reading) parts_.before_reading();
}

void Scheduler::MakeEncoderReady() {
  if (encoder_ready_) return;
  encoder_ready_ = true;
  bool text_in_use = false;
  {
    const std::lock_guard lock(mutex_);
    text_in_use = !jobs_.empty();
  }
  if (!text_in_use) text_ready_ = false;
  if (parts_.before_encoding) parts_.before_encoding(text_in_use);
}

Scheduler::Picture::Picture(Scheduler& scheduler, Trace* trace)
    : scheduler_(scheduler), trace_(trace) {
  const std::lock_guard lock(scheduler_.mutex_);
  ++scheduler_.pictures_;
}

Scheduler::Picture::~Picture() {
  const std::lock_guard lock(scheduler_.mutex_);
  --scheduler_.pictures_;
}

void Scheduler::Picture::WithPool(const std::function<void(ThreadPool*)>& work) {
  const std::lock_guard turn(scheduler_.turn_);
  Hold hold;
  scheduler_.Enter(Stage::kEncode, trace_, hold);
  scheduler_.last_hold_ = nullptr;
  work(scheduler_.parts_.pool);
}

Status Scheduler::Picture::Encode(const View& view, const ViewPositions& positions,
                                  const std::atomic<bool>* cancel, MatView out) {
  const std::lock_guard turn(scheduler_.turn_);
  Hold hold;
  scheduler_.Enter(Stage::kEncode, trace_, hold);
  scheduler_.last_hold_ = nullptr;
  scheduler_.MakeEncoderReady();
  MCV_RETURN_IF_ERROR(scheduler_.parts_.encoder->Encode(view, positions, {.cancel = cancel}, out));
  return scheduler_.parts_.check_weights ? scheduler_.parts_.check_weights() : OkStatus();
}

}  // namespace mcv
