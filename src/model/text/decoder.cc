#include "model/text/decoder.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/trace.h"
#include "model/text/decoder_layer.h"

namespace mcv {

namespace {

// Fewer touch hardly a page of each head's.
constexpr int64_t kManyTokens = 64;

Status NoRoom(int64_t held, int64_t wanted, int64_t capacity) {
  return ContextFull("the context holds " + std::to_string(capacity) + " positions, " +
                     std::to_string(held) + " are in use and " + std::to_string(wanted) +
                     " more were asked for");
}

}  // namespace

Result<std::unique_ptr<Decoder>> Decoder::Create(const TextConfig& config,
                                                 const TextWeights& weights,
                                                 const DecoderOptions& options, Context& ctx) {
  MCV_ASSIGN_OR_RETURN(KvCache cache,
                       KvCache::Create(config, options.cache_type, options.capacity));
  return std::unique_ptr<Decoder>(new Decoder(config, weights, options, std::move(cache), ctx));
}

Decoder::Decoder(const TextConfig& config, const TextWeights& weights,
                 const DecoderOptions& options, KvCache cache, Context& ctx)
    : config_(config),
      weights_(weights),
      options_(options),
      cache_(std::move(cache)),
      rope_(config.head_dim, config.rope_theta),
      ctx_(ctx) {}

// Token rows are scaled (MiniCPM), image rows are not: they come as the model wants them.
void Decoder::Embed(const TextInput& input, int64_t first, int64_t count) {
  EmbedRows(weights_.embedding, input.ids.subspan(first, count), config_.embedding_scale, act_.x,
            ctx_);  // [T, E]
  for (const ImageRows& image : input.images) {
    const int64_t begin = std::max(image.begin, first);
    const int64_t end = std::min(image.end, first + count);
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(act_.x.Row(i - first), image.rows.Row(i - image.begin),
                  static_cast<size_t>(config_.width) * sizeof(float));
    }
  }
}

void Decoder::RunLayers(const TextStep& step, int begin, int end) {
  if (begin == 0) Note(step.taps, Tap::kTextState, 0, act_.x);
  for (int layer = begin; layer < end; ++layer) {
    DecoderLayer(weights_.layers[static_cast<size_t>(layer)], config_, layer, step, act_, cache_,
                 ctx_);
  }
}

// Nobody looks at what the last layer makes of these rows, but for the very last one of a prompt:
// later tokens only need the keys and values. One layer of 32 is 3 % of a prompt's time.
void Decoder::ReadRows(const TextStep& step, LastRow last_row) {
  const int last_layer = config_.layers - 1;
  RunLayers(step, 0, last_layer);
  StoreKeysAndValues(weights_.layers.back(), config_, last_layer, step, act_, cache_, ctx_);
  if (last_row == LastRow::kNotWanted) return;
  const int64_t position = step.past + act_.x.rows - 1;
  act_.KeepLastRow();
  RunLayers({.past = position, .rope = rope_.Range(position, 1)}, last_layer, config_.layers);
}

void Decoder::Head(int64_t first, const TapSink* taps, MatView logits) {
  TraceScope scope(ctx_.trace, Zone::kHead);
  const MatView normed = act_.normed.Rows(first, logits.rows);
  RmsNorm(act_.x.Rows(first, logits.rows), weights_.final_norm, config_.rms_eps, normed,
          ctx_);                                                                         // [T, E]
  MatMul(normed, weights_.head, {.scale = 1.0f / config_.logit_divisor}, logits, ctx_);  // [T, V]
  Note(taps, Tap::kLogits, 0, logits);
}

Status Decoder::Append(const TextInput& input, const AppendOptions& options, MatView logits) {
  const int64_t total = static_cast<int64_t>(input.ids.size());
  const int64_t before = cache_.length();
  MCV_CHECK(total > 0 && logits.rows == (options.logits == LogitsWanted::kAll ? total : 1));
  if (total > cache_.capacity() - before) return NoRoom(before, total, cache_.capacity());

  for (int64_t first = 0; first < total; first += options_.batch_tokens) {
    if (options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed)) {
      cache_.Truncate(before);
      return Cancelled("stopped while reading the prompt");
    }
    const int64_t count = std::min(options_.batch_tokens, total - first);
    act_.Shape(config_, count);
    Embed(input, first, count);
    const int64_t past = cache_.length();
    if (count >= kManyTokens) cache_.Prepare(count);
    const bool is_end = first + count == total;
    const TextStep step = {.past = past, .rope = rope_.Range(past, count), .taps = options.taps};
    const bool all_rows = options.logits == LogitsWanted::kAll || options.taps != nullptr;
    if (all_rows || (is_end && count == 1)) {
      RunLayers(step, 0, config_.layers);
    } else {
      ReadRows(step, is_end ? LastRow::kWanted : LastRow::kNotWanted);
    }
    cache_.Advance(count);
    if (options.logits == LogitsWanted::kAll) {
      Head(0, options.taps, logits.Rows(first, count));
    } else if (is_end) {
      Head(act_.x.rows - 1, options.taps, logits);
    }
    if (options.on_progress) options.on_progress(first + count, total);
  }
  return OkStatus();
}

Status Decoder::BeginBeams(int beams, int64_t max_rows) {
  if (max_rows > cache_.capacity() - cache_.length()) {
    return NoRoom(cache_.length(), max_rows, cache_.capacity());
  }
  MCV_ASSIGN_OR_RETURN(beams_, BeamSuffixes::Create(cache_, beams, max_rows));
  return OkStatus();
}

Status Decoder::StepBeams(std::span<const int> parents, std::span<const int32_t> tokens,
                          MatView logits) {
  MCV_CHECK(beams_.has_value() && logits.rows == beams_->beams());
  if (beams_->rows() == beams_->max_rows()) {
    return NoRoom(cache_.length() + beams_->rows(), 1, cache_.length() + beams_->max_rows());
  }
  beams_->Reorder(parents);
  act_.Shape(config_, beams_->beams());
  Embed({tokens, {}}, 0, beams_->beams());
  const int64_t past = cache_.length();
  RunLayers({.past = past,
             .rope = rope_.Repeat(past + beams_->rows(), beams_->beams()),
             .beams = &*beams_},
            0, config_.layers);
  beams_->Advance();
  Head(0, nullptr, logits);
  return OkStatus();
}

}  // namespace mcv
