#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "base/machine_memory.h"
#include "base/sha256.h"
#include "base/thread_pool.h"
#include "base/trace.h"
#include "engine/generation/sampling_options.h"
#include "engine/pictures/picture_cache.h"
#include "engine/scheduling/scheduler.h"
#include "engine/session.h"
#include "engine/threads/tuning_file.h"
#include "formats/printable.h"
#include "model/text/decoder.h"
#include "model/vision/vision_encoder.h"

namespace mcv {

namespace {

constexpr int64_t kDefaultContext = 8192;

// What an engine computes with.
struct ComputeResources {
  ComputeResources(const Engine& engine, int threads) : pool(threads) {
    context.pool = &pool;
    context.table = &engine.kernels();
    context.numerics = engine.options().numerics;
  }

  ThreadPool pool;
  Context context;
};

// Keeps the engine alive, and counts the session.
struct SessionOwner {
  SessionOwner(std::shared_ptr<const Engine> shared,
               std::shared_ptr<std::atomic<int>> open_sessions)
      : engine(std::move(shared)), sessions(std::move(open_sessions)) {
    sessions->fetch_add(1);
  }
  ~SessionOwner() { sessions->fetch_sub(1); }
  SessionOwner(const SessionOwner&) = delete;
  SessionOwner& operator=(const SessionOwner&) = delete;

  std::shared_ptr<const Engine> engine;
  std::shared_ptr<std::atomic<int>> sessions;
};

Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const ModelFiles& files) {
  return files.is_hf() ? LoadTokenizerFromFolder(files.folder())
                       : LoadTokenizerFromGguf(*files.text_gguf());
}

}  // namespace

Engine::Engine(EngineOptions options, ModelFiles files)
    : options_(std::move(options)),
      files_(std::move(files)),
      config_(files_.config()),
      notes_(files_.notes()) {}

Result<std::shared_ptr<Engine>> Engine::OpenFiles(const EngineOptions& options) {
  OpenOptions open;
  open.mmproj = options.mmproj;
  open.text_only = options.text_only;
  open.position_rule = options.positions;
  open.bucket_rule = options.buckets;
  open.reads_files = options.no_mmap;
  const bool in_memory = options.model.empty() && options.built_in.has_value();
  MCV_ASSIGN_OR_RETURN(ModelFiles files, in_memory ? ModelFiles::OpenBytes(*options.built_in, open)
                                                   : ModelFiles::Open(options.model, open));
  std::shared_ptr<Engine> engine(new Engine(options, std::move(files)));
  MCV_RETURN_IF_ERROR(engine->CheckOptions());
  return engine;
}

Result<std::shared_ptr<const Engine>> Engine::Open(const EngineOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  MCV_ASSIGN_OR_RETURN(std::shared_ptr<Engine> engine, OpenFiles(options));
  MCV_RETURN_IF_ERROR(engine->KeepToLimit());
  if (options.no_mmap) MCV_RETURN_IF_ERROR(engine->ReadFiles());
  MCV_RETURN_IF_ERROR(engine->Load());
  engine->load_seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::shared_ptr<const Engine>(std::move(engine));
}

Result<PlannedRun> Engine::Plan(const EngineOptions& options) {
  MCV_ASSIGN_OR_RETURN(std::shared_ptr<Engine> engine, OpenFiles(options));
  MCV_ASSIGN_OR_RETURN(PlannedRun run, engine->MakePlan());
  run.files = std::move(engine);
  return run;
}

Status Engine::CheckOptions() {
  if (options_.max_slices) config_.slicing.max_slices = *options_.max_slices;
  MCV_RETURN_IF_ERROR(Validate(config_));
  if (options_.threads < 0 || options_.threads > kMaxThreads) {
    return InvalidArgument("threads is " + std::to_string(options_.threads) +
                           ", expected 0 (all processors) to " + std::to_string(kMaxThreads));
  }
  const int64_t most = config_.text.max_positions;
  if (options_.context < 0 || options_.context > most) {
    return InvalidArgument("context is " + std::to_string(options_.context) +
                           " positions, but this model was made for at most " +
                           std::to_string(most));
  }
  context_ = options_.context > 0 ? options_.context : std::min(most, kDefaultContext);
  if (options_.numerics == Numerics::kInt8) {
    return InvalidArgument(
        "int8 numerics are the encoder's alone (encoder_numerics); expected "
        "exact or fast for the whole model");
  }
  MCV_RETURN_IF_ERROR(CheckCacheType(config_.text, cache_type()));
  MCV_ASSIGN_OR_RETURN(kernels_, ChooseTarget(options_.target));
  return ChooseThreads();
}

Status Engine::ChooseThreads() {
  topology_ = ReadCpuTopology();
  thread_source_ = "asked for";
  if (options_.threads > 0) {
    settings_ = SameThreads(options_.threads);
  } else if (options_.stages) {
    settings_ = *options_.stages;
    MCV_RETURN_IF_ERROR(Validate(settings_));
  } else {
    settings_ = SameThreads(DefaultThreadCount(topology_));
    thread_source_ = "default";
    if (!options_.tuning.empty()) UseTuning();
  }
  batch_tokens_ = settings_.batch_tokens;
  return OkStatus();
}

// Tuning is never a reason not to run.
void Engine::UseTuning() {
  const auto file = TuningFile::Read(options_.tuning);
  if (!file.ok()) {
    if (file.status().code() == StatusCode::kNotFound) return;
    notes_.push_back("tuning is ignored: " + file.status().message() +
                     "; minicpmv tune writes it anew");
    return;
  }
  const TuningEntry* entry =
      file->Find(MachineKey(topology_, TargetName(*kernels_), options_.numerics), ModelKey(files_));
  if (entry == nullptr) {
    thread_source_ = "default; " + options_.tuning + " is of another machine or model";
    return;
  }
  settings_ = entry->settings;
  thread_source_ = "tuned, " + options_.tuning;
}

Result<PlannedRun> Engine::MakePlan() const {
  PlannedRun run;
  run.description = files_.Describe();
  run.target = TargetName(*kernels_);
  run.notes = files_.notes();
  MCV_ASSIGN_OR_RETURN(run.model, MemoryModelOf(files_, config_));
  MemoryRequest& request = run.request;
  request.kernels = {kernels_, options_.numerics, threads(), settings_.largest_blocking()};
  request.encoder_numerics = encoder_numerics();
  request.files_in_memory = options_.no_mmap && files_.mapped_bytes() > 0;
  request.context = context_;
  request.cache_type = cache_type();
  request.batch_tokens = batch_tokens_;
  request.answer_tokens = DefaultSampling(config_.version, SamplingPreset::kGreedy).max_new_tokens;
  if (config_.has_vision) request.pictures = {LargestPictureShape(config_)};
  // A limit leaves nothing to it (KeepToLimit).
  if (options_.picture_cache != nullptr && options_.memory_limit_bytes == 0) {
    request.kept_bytes = options_.picture_cache->options().max_memory_bytes;
  }
  request.page_bytes = static_cast<int64_t>(ReadMachineMemory().page_bytes);
  run.context_is_free = options_.context == 0;
  return run;
}

Status Engine::KeepToLimit() {
  const int64_t limit = options_.memory_limit_bytes;
  if (limit < 0) {
    return InvalidArgument("the memory limit is " + std::to_string(limit) +
                           " bytes, expected 0 (none) or more");
  }
  if (limit == 0) return OkStatus();
  if (options_.picture_cache != nullptr) options_.picture_cache->StopKeepingInMemory();
  MCV_ASSIGN_OR_RETURN(PlannedRun run, MakePlan());
  MCV_ASSIGN_OR_RETURN(FittedRequest fitted,
                       FitToLimit(run.model, run.request, run.context_is_free, limit));
  context_ = fitted.request.context;
  batch_tokens_ = fitted.request.batch_tokens;
  notes_.insert(notes_.end(), fitted.notes.begin(), fitted.notes.end());
  guard_ = std::make_unique<MemoryGuard>(std::move(run.model), std::move(fitted.request), limit);
  return OkStatus();
}

// After the limit has been looked at, before anything else reads weights.
Status Engine::ReadFiles() {
  MCV_RETURN_IF_ERROR(CheckRoomForFiles(files_.mapped_bytes(), ReadMachineMemory().Room()));
  return files_.ReadIntoMemory();
}

Status Engine::Load() {
  MCV_ASSIGN_OR_RETURN(tokenizer_, LoadTokenizer(files_));
  if (tokenizer_->vocab_size() > config_.text.vocab) {
    return Corrupt(files_.Describe() + ": the tokenizer has " +
                   std::to_string(tokenizer_->vocab_size()) + " tokens but the model only " +
                   std::to_string(config_.text.vocab) + ": they do not belong together");
  }
  MCV_ASSIGN_OR_RETURN(weights_, Weights::Bind(files_));
  return OkStatus();
}

DType Engine::cache_type() const {
  if (options_.cache_type) return *options_.cache_type;
  return options_.numerics == Numerics::kExact ? DType::kF32 : DType::kF16;
}

Numerics Engine::encoder_numerics() const {
  return options_.encoder_numerics.value_or(options_.numerics);
}

int64_t Engine::cache_bytes_per_position() const {
  const auto row =
      RowBytes(cache_type(), uint64_t(config_.text.kv_heads) * uint64_t(config_.text.head_dim));
  return 2 * int64_t{config_.text.layers} * static_cast<int64_t>(row.value_or(0));
}

EncoderId Engine::encoder_id() const {
  std::call_once(encoder_id_once_, [this] {
    const bool in_program = options_.model.empty() && options_.built_in->in_program;
    encoder_id_ = IdentifyEncoder(files_, config_, {encoder_numerics(), target_name(), in_program});
  });
  return encoder_id_;
}

std::string Engine::model_id() const {
  std::call_once(model_id_once_, [this] {
    constexpr size_t kSampleBytes = 512;
    Sha256 sha;
    for (const TensorSpec& spec : files_.tensors()) {
      const auto data = files_.Find(spec);
      if (!data.ok()) continue;
      const std::string head = spec.id + " " + std::string(Traits(data->type).name) + " " +
                               std::to_string(data->bytes.size());
      sha.Update(std::as_bytes(std::span(head)));
      const size_t middle = data->bytes.size() / 2;
      sha.Update(data->bytes.subspan(middle, std::min(kSampleBytes, data->bytes.size() - middle)));
    }
    model_id_ = std::string(config_.row().short_name) + " " + Printable(config_.name) + ", cache " +
                std::string(Traits(cache_type()).name) + ", " + HexDigits(sha.Finish());
  });
  return model_id_;
}

// The encoder's half first: it is used first. Files that do not fit into what is free are left to
// the system, since reading ahead would push out what was read.
void Engine::StartReadingAhead() const {
  std::call_once(read_ahead_once_, [this] {
    auto ranges = files_.MappedRanges(TensorFile::kVision);
    const auto text = files_.MappedRanges(TensorFile::kText);
    ranges.insert(ranges.end(), text.begin(), text.end());
    uint64_t bytes = 0;
    for (const auto& range : ranges) bytes += range.size();
    if (bytes == 0 || bytes > ReadMachineMemory().Room().value_or(0)) return;
    read_ahead_ = std::make_unique<ReadAhead>(std::move(ranges));
  });
}

Result<std::shared_ptr<Scheduler>> Engine::SharedScheduler() const {
  const std::lock_guard lock(scheduler_mutex_);
  if (scheduler_ == nullptr) {
    MCV_ASSIGN_OR_RETURN(scheduler_, MakeScheduler());
  }
  return scheduler_;
}

Result<std::shared_ptr<Scheduler>> Engine::MakeScheduler() const {
  auto resources = std::make_shared<ComputeResources>(*this, threads());
  ThreadPool* pool = &resources->pool;
  Context* context = &resources->context;
  ComputeParts parts;
  parts.pool = pool;
  parts.set_trace = [context](Trace* trace) { context->trace = trace; };
  parts.enter_stage = [this, context](Stage stage) {
    return std::make_unique<StageScope>(settings_.of(stage), topology_, *context);
  };
  DecoderOptions options;
  options.capacity = context_;
  options.cache_type = cache_type();
  options.batch_tokens = batch_tokens_;
  MCV_ASSIGN_OR_RETURN(parts.text,
                       Decoder::Create(config_.text, weights_.text(), options, *context));
  if (config_.has_vision) {
    parts.encoder = std::make_unique<VisionEncoder>(
        config_, weights_.vision(), weights_.resampler(), encoder_numerics(), *context);
    // What was given back stays in the file cache while there is room.
    parts.before_encoding = [this, pool](bool text_in_use) {
      if (!text_in_use) files_.Drop(TensorFile::kText);
      MapCached(files_.MappedRanges(TensorFile::kVision), *pool);
    };
    parts.after_encoding = [this] { files_.Drop(TensorFile::kVision); };
  }
  parts.before_reading = [this, pool] {
    MapCached(files_.MappedRanges(TensorFile::kText, ModelFiles::RangesOf::kReadWhole), *pool);
  };
  parts.check_weights = [this] { return files_.damaged() ? files_.CheckIntact() : OkStatus(); };
  parts.owned = std::move(resources);
  return std::make_shared<Scheduler>(std::move(parts));
}

Result<std::unique_ptr<Session>> Engine::NewSession() const {
  auto owner = std::make_shared<SessionOwner>(shared_from_this(), sessions_);
  if (guard_ != nullptr && sessions_->load() > 1) {
    return ResourceExhausted("the memory limit of " + MemoryText(guard_->limit()) +
                             " was planned for one conversation at a time, and one is open");
  }
  SessionParts parts;
  MCV_ASSIGN_OR_RETURN(parts.scheduler, SharedScheduler());
  parts.config = &config_;
  parts.tokenizer = tokenizer_.get();
  parts.guard = guard_.get();
  parts.model_id = [this] { return model_id(); };
  parts.check_files = [this] { return files_.CheckIntact(); };
  parts.why_no_vision = files_.why_no_vision();
  if (config_.has_vision) {
    parts.picture_cache = options_.picture_cache;
    parts.encoder_id = [this] { return encoder_id(); };
  }
  parts.owner = std::move(owner);
  StartReadingAhead();
  return Session::Create(std::move(parts));
}

}  // namespace mcv
