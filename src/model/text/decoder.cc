#include "model/text/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "base/trace.h"

namespace mcv {

namespace {

// Fewer touch hardly a page of each head's.
constexpr int64_t kManyTokens = 64;

KvSequence& SequenceOf(const TextRun& run) { return static_cast<KvSequence&>(*run.sequence); }

// The products of a pass see which rows belong together.
class RunsScope {
 public:
  RunsScope(Context& ctx, std::span<const int64_t> runs) : ctx_(ctx) { ctx.runs = runs; }
  ~RunsScope() { ctx_.runs = {}; }
  RunsScope(const RunsScope&) = delete;
  RunsScope& operator=(const RunsScope&) = delete;

 private:
  Context& ctx_;
};

bool AllFinite(ConstMatView values) {
  for (int64_t r = 0; r < values.rows; ++r) {
    // A sum of zeros unless something is infinite or no number.
    float sum = 0.0f;
    for (int64_t i = 0; i < values.cols; ++i) sum += values.Row(r)[i] * 0.0f;
    if (sum != 0.0f || std::isnan(sum)) return false;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Decoder>> Decoder::Create(const TextConfig& config,
                                                 const TextWeights& weights,
                                                 const DecoderOptions& options, Context& ctx) {
  if (options.capacity < 1 || options.batch_tokens < 1) {
    return InvalidArgument(
        "the context must hold at least 1 position and be read at least 1 at a "
        "time, asked for " +
        std::to_string(options.capacity) + " and " + std::to_string(options.batch_tokens));
  }
  MCV_RETURN_IF_ERROR(CheckCacheType(config, options.cache_type));
  const int64_t rows = std::max(options.batch_tokens, options.capacity) + kMostSequences;
  MCV_ASSIGN_OR_RETURN(RopeCache rope, RopeCache::Create(config.head_dim, config.rope_theta,
                                                         options.capacity, rows));
  return std::unique_ptr<Decoder>(new Decoder(config, weights, options, std::move(rope), ctx));
}

Decoder::Decoder(const TextConfig& config, const TextWeights& weights,
                 const DecoderOptions& options, RopeCache rope, Context& ctx)
    : config_(config),
      weights_(weights),
      options_(options),
      layout_(KvLayout::Of(config, options.cache_type)),
      rope_(std::move(rope)),
      ctx_(ctx) {
  sequences_.reserve(kMostSequences);
  positions_.reserve(kMostSequences);
  rows_.reserve(kMostSequences);
}

std::unique_ptr<TextSequence> Decoder::NewSequence() {
  return std::make_unique<KvSequence>(layout_);
}

// Everything that a step can lack is had before it begins.
Status Decoder::Admit(std::span<const TextRun> runs) {
  MCV_CHECK(!runs.empty() && runs.size() <= kMostSequences);
  for (size_t i = 0; i < runs.size(); ++i) {
    MCV_CHECK(runs[i].rows() > 0 && (i == 0 || runs[i].rows() >= runs[i - 1].rows()));
    const int64_t held = runs[i].sequence->length();
    if (runs[i].rows() > options_.capacity - held) {
      return NoRoom(options_.capacity, held, runs[i].rows());
    }
  }
  for (const TextRun& run : runs) MCV_RETURN_IF_ERROR(SequenceOf(run).Grow(run.rows()));
  sequences_.clear();
  for (const TextRun& run : runs) {
    KvSequence& sequence = SequenceOf(run);
    if (run.rows() >= kManyTokens) sequence.Touch(run.rows());
    sequences_.push_back({&sequence, sequence.length(), run.rows()});
  }
  return OkStatus();
}

// Token rows are scaled (MiniCPM), image rows are not: they come as the model wants them.
void Decoder::Embed(std::span<const TextRun> runs) {
  int64_t first = 0;
  for (const TextRun& run : runs) {
    EmbedRows(weights_.embedding, run.input.ids, config_.embedding_scale,
              act_.x.Rows(first, run.rows()), ctx_);  // [T, E]
    for (const ImageRows& image : run.input.images) {
      for (int64_t i = image.begin; i < image.end; ++i) {
        std::memcpy(act_.x.Row(first + i), image.rows.Row(i - image.begin),
                    static_cast<size_t>(config_.width) * sizeof(float));
      }
    }
    first += run.rows();
  }
}

TextStep Decoder::Describe(const TapSink* taps) {
  positions_.clear();
  rows_.clear();
  for (const SequenceRows& part : sequences_) {
    positions_.push_back({part.past, part.rows});
    rows_.push_back(part.rows);
  }
  return {.sequences = sequences_, .rope = rope_.Rows(positions_), .taps = taps};
}

Status Decoder::RunLayers(const TextStep& step, int begin, int end, const StepOptions& options) {
  const RunsScope runs(ctx_, rows_);
  for (int layer = begin; layer < end; ++layer) {
    if (options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed)) {
      return Cancelled("stopped while the language model was reading");
    }
    DecoderLayer(weights_.layers[static_cast<size_t>(layer)], config_, layer, step, act_, ctx_);
  }
  return OkStatus();
}

void Decoder::KeepWantedRows(std::span<const TextRun> runs) {
  int64_t from = 0, to = 0;
  size_t kept = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    const int64_t rows = runs[i].rows(), wanted = runs[i].logit_rows();
    const int64_t skipped = rows - wanted;
    if (wanted > 0) {
      std::memmove(act_.x.Row(to), act_.x.Row(from + skipped),
                   static_cast<size_t>(wanted * act_.x.stride) * sizeof(float));
      sequences_[kept++] = {sequences_[i].sequence, sequences_[i].past + skipped, wanted};
    }
    from += rows;
    to += wanted;
  }
  sequences_.resize(kept);
  act_.KeepFirstRows(to);
}

Status Decoder::Head(const TapSink* taps, MatView logits) {
  TraceScope scope(ctx_.trace, Zone::kHead);
  const RunsScope runs(ctx_, rows_);
  RmsNorm(act_.x, weights_.final_norm, config_.rms_eps, act_.normed, ctx_);  // [R, E]
  MatMul(act_.normed, weights_.head, {.scale = 1.0f / config_.logit_divisor}, logits,
         ctx_);  // [R, V]
  Note(taps, Tap::kLogits, 0, logits);
  if (AllFinite(logits)) return OkStatus();
  return Corrupt(
      "the language model gave a logit that is no finite number: its weights hold NaN or infinity, "
      "or the picture's rows do; check the file (minicpmv inspect), or fetch it again");
}

// Nobody looks at what the last layer makes of rows without logits: later tokens only need their
// keys and values. One layer of 32 is 3 % of a prompt's time.
Status Decoder::Step(std::span<const TextRun> runs, const StepOptions& options, MatView logits) {
  int64_t rows = 0, wanted = 0;
  for (const TextRun& run : runs) {
    rows += run.rows();
    wanted += run.logit_rows();
  }
  MCV_CHECK(logits.rows == wanted);
  MCV_RETURN_IF_ERROR(Admit(runs));
  act_.Shape(config_, rows);
  Embed(runs);
  TextStep step = Describe(options.taps);
  Note(step.taps, Tap::kTextState, 0, act_.x);
  const int last = config_.layers - 1;
  const bool all_rows = wanted == rows || options.taps != nullptr;
  MCV_RETURN_IF_ERROR(RunLayers(step, 0, all_rows ? config_.layers : last, options));
  if (!all_rows) {
    const RunsScope scope(ctx_, rows_);
    StoreKeysAndValues(weights_.layers.back(), config_, last, step, act_, ctx_);
  }
  if (wanted > 0) {
    KeepWantedRows(runs);
    step = Describe(options.taps);
    if (!all_rows) MCV_RETURN_IF_ERROR(RunLayers(step, last, config_.layers, options));
    MCV_RETURN_IF_ERROR(Head(options.taps, logits));
  }
  for (const TextRun& run : runs) SequenceOf(run).Advance(run.rows());
  return OkStatus();
}

}  // namespace mcv
