#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/thread_pool.h"
#include "base/trace.h"
#include "engine/session.h"
#include "model/text/decoder.h"
#include "model/vision/vision_encoder.h"

namespace mcv {

namespace {

constexpr int64_t kDefaultContext = 8192;
constexpr int kMaxThreads = 1024;

// What one session computes with; it also keeps the engine alive.
struct SessionResources {
  SessionResources(std::shared_ptr<const Engine> shared, int threads)
      : engine(std::move(shared)), pool(threads) {
    context.pool = &pool;
    context.table = &engine->kernels();
    context.numerics = engine->options().numerics;
    context.trace = &trace;
  }
  std::shared_ptr<const Engine> engine;
  ThreadPool pool;
  Trace trace;
  Context context;
};

Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const ModelFiles& files) {
  return files.is_hf() ? LoadTokenizerFromFolder(files.folder())
                       : LoadTokenizerFromGguf(*files.text_gguf());
}

}  // namespace

Engine::Engine(EngineOptions options, ModelFiles files)
    : options_(std::move(options)), files_(std::move(files)), config_(files_.config()) {}

Result<std::shared_ptr<const Engine>> Engine::Open(const EngineOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  OpenOptions open;
  open.mmproj = options.mmproj;
  open.text_only = options.text_only;
  open.position_rule = options.positions;
  open.bucket_rule = options.buckets;
  const bool in_memory = options.model.empty() && options.built_in.has_value();
  MCV_ASSIGN_OR_RETURN(ModelFiles files, in_memory ? ModelFiles::OpenBytes(*options.built_in, open)
                                                   : ModelFiles::Open(options.model, open));
  std::shared_ptr<Engine> engine(new Engine(options, std::move(files)));
  MCV_RETURN_IF_ERROR(engine->Prepare());
  engine->load_seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::shared_ptr<const Engine>(std::move(engine));
}

Status Engine::Prepare() {
  if (options_.max_slices) config_.slicing.max_slices = *options_.max_slices;
  MCV_RETURN_IF_ERROR(Validate(config_));
  if (options_.threads < 0 || options_.threads > kMaxThreads) {
    return InvalidArgument("threads is " + std::to_string(options_.threads) +
                           ", expected 0 (all processors) to " + std::to_string(kMaxThreads));
  }
  threads_ = options_.threads > 0 ? options_.threads : DefaultThreadCount();
  const int64_t most = config_.text.max_positions;
  if (options_.context < 0 || options_.context > most) {
    return InvalidArgument("context is " + std::to_string(options_.context) +
                           " positions, but this model was made for at most " +
                           std::to_string(most));
  }
  context_ = options_.context > 0 ? options_.context : std::min(most, kDefaultContext);
  MCV_RETURN_IF_ERROR(CheckCacheType(config_.text, cache_type()));
  MCV_ASSIGN_OR_RETURN(kernels_, ChooseTarget(options_.target));
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

int64_t Engine::cache_bytes_per_position() const {
  const auto row =
      RowBytes(cache_type(), uint64_t(config_.text.kv_heads) * uint64_t(config_.text.head_dim));
  return 2 * int64_t{config_.text.layers} * static_cast<int64_t>(row.value_or(0));
}

Result<std::unique_ptr<Session>> Engine::NewSession() const {
  auto resources = std::make_shared<SessionResources>(shared_from_this(), threads_);
  SessionParts parts;
  parts.config = &config_;
  parts.tokenizer = tokenizer_.get();
  parts.trace = &resources->trace;
  parts.pool = &resources->pool;
  DecoderOptions options;
  options.capacity = context_;
  options.cache_type = cache_type();
  MCV_ASSIGN_OR_RETURN(parts.text,
                       Decoder::Create(config_.text, weights_.text(), options, resources->context));
  if (config_.has_vision) {
    parts.encoder = std::make_unique<VisionEncoder>(config_, weights_.vision(),
                                                    weights_.resampler(), resources->context);
    // The encoder's pages are given back before the language model's are touched, so that the two
    // are never resident together.
    parts.before_encoding = [this] { files_.WillNeed(TensorFile::kVision); };
    parts.after_encoding = [this] { files_.Drop(TensorFile::kVision); };
  }
  parts.owner = std::move(resources);
  return Session::Create(std::move(parts));
}

}  // namespace mcv
