#include "engine/threads/tuner_work.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "model/text/decoder_layer.h"
#include "model/text/kv_pages.h"
#include "model/text/rope_table.h"
#include "model/vision/encoder_numerics.h"
#include "model/vision/siglip_layer.h"

namespace mcv {

namespace {

constexpr int64_t kViewPatches = 1024;
constexpr int64_t kPromptTokens = 1024;
constexpr int64_t kFewestPromptTokens = 128;
constexpr int64_t kDecodePast = 256;                  // positions held while tokens are decoded
constexpr int64_t kDecodeBytes = int64_t{512} << 20;  // far more than a cache holds

std::vector<float> RandomRows(int64_t rows, int64_t cols) {
  RandomStream random(1);
  std::vector<float> values(static_cast<size_t>(rows * cols));
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

void Fill(const std::vector<float>& rows, MatView x) {
  for (int64_t t = 0; t < x.rows; ++t) {
    std::memcpy(x.Row(t), rows.data() + t * x.cols, static_cast<size_t>(x.cols) * sizeof(float));
  }
}

int64_t LayerBytes(const TextLayerWeights& w) {
  int64_t bytes = 0;
  for (const WeightView& view : {w.q.weight, w.k.weight, w.v.weight, w.out, w.gate, w.up, w.down}) {
    bytes += view.rows * static_cast<int64_t>(
                             RowBytes(view.type, static_cast<uint64_t>(view.cols)).value_or(0));
  }
  return bytes;
}

class Timer {
 public:
  double Seconds() const { return SecondsSince(start_); }

 private:
  Clock::time_point start_ = Clock::now();
};

class EncodeWork final : public StageWork {
 public:
  explicit EncodeWork(WorkSetting& setting)
      : setting_(setting), rows_(RandomRows(kViewPatches, setting.engine.config().vision.width)) {
    act_.Shape(setting.engine.config(), kViewPatches);
  }
  Stage stage() const override { return Stage::kEncode; }
  std::string description() const override {
    return "1 encoder layer, " + std::to_string(kViewPatches) + " patches";
  }
  double Run(const StageSettings& settings, int64_t) override {
    const StageScope scope(settings, setting_.topology, setting_.context);
    const NumericsScope numerics(setting_.engine.encoder_numerics(), setting_.context);
    Fill(rows_, act_.x);
    const Timer timer;
    SiglipLayer(setting_.engine.weights().vision().layers[0], setting_.engine.config().vision, act_,
                setting_.context);
    return timer.Seconds();
  }

 private:
  WorkSetting& setting_;
  std::vector<float> rows_;
  VisionActivations act_;
};

// Both stages of the language model: up to `tokens` of them, `past` before, through `layers`
// layers.
class TextWork final : public StageWork {
 public:
  TextWork(WorkSetting& setting, Stage stage, KvSequence sequence, RopeCache rope, int layers,
           int64_t tokens, int64_t past)
      : setting_(setting),
        stage_(stage),
        sequence_(std::move(sequence)),
        rope_(std::move(rope)),
        layers_(layers),
        most_tokens_(tokens),
        tokens_(stage == Stage::kDecode ? 1 : std::min(tokens, kFewestPromptTokens)),
        past_(past),
        rows_(RandomRows(tokens, config().width)) {
    act_.Shape(config(), tokens);
    // What has been read so far is there, as far as its memory goes.
    for (int layer = 0; layer < layers; ++layer) ClearPast(layer, past);
  }

  Stage stage() const override { return stage_; }
  std::string description() const override {
    return std::to_string(layers_) + (layers_ == 1 ? " layer, " : " layers, ") +
           std::to_string(tokens_) + (tokens_ == 1 ? " token" : " tokens");
  }
  bool Grow() override {
    if (2 * tokens_ > most_tokens_) return false;
    tokens_ *= 2;
    return true;
  }
  int64_t most_batch_tokens() const override { return tokens_; }
  double Run(const StageSettings& settings, int64_t batch_tokens) override {
    const StageScope scope(settings, setting_.topology, setting_.context);
    const int64_t batch = batch_tokens > 0 ? std::min(batch_tokens, tokens_) : tokens_;
    double seconds = 0.0;
    for (int64_t first = 0; first < tokens_; first += batch) {
      seconds += RunBatch(first, std::min(batch, tokens_ - first));
    }
    return seconds;
  }

 private:
  const TextConfig& config() const { return setting_.engine.config().text; }

  void ClearPast(int layer, int64_t past) {
    for (const KvPart part : {KvPart::kKeys, KvPart::kValues}) {
      const MutableKvView view = sequence_.Mutable(layer, part);
      for (int head = 0; head < config().kv_heads; ++head) {
        for (int64_t s = 0; s < past; s += kKvBlock) {
          std::memset(view.At(head, s), 0,
                      static_cast<size_t>(std::min(kKvBlock, past - s) * view.row_bytes));
        }
      }
    }
  }

  // Nothing is advanced: the next run begins at the same place.
  double RunBatch(int64_t first, int64_t count) {
    act_.Shape(config(), count);
    Fill(rows_, act_.x);
    const Timer timer;
    const SequenceRows rows{&sequence_, past_ + first, count};
    const PositionRange positions{rows.past, count};
    const TextStep step{.sequences = {&rows, 1}, .rope = rope_.Rows({&positions, 1})};
    for (int layer = 0; layer < layers_; ++layer) {
      DecoderLayer(setting_.engine.weights().text().layers[static_cast<size_t>(layer)], config(),
                   layer, step, act_, setting_.context);
    }
    return timer.Seconds();
  }

  WorkSetting& setting_;
  Stage stage_;
  KvSequence sequence_;  // room is made for all tokens
  RopeCache rope_;
  int layers_;
  int64_t most_tokens_;  // that the cache has room for
  int64_t tokens_;
  int64_t past_;
  std::vector<float> rows_;
  TextActivations act_;
};

// As many as take kDecodeBytes.
int DecodeLayers(const TextWeights& weights) {
  int64_t bytes = 0;
  int layers = 0;
  while (layers < static_cast<int>(weights.layers.size()) && bytes < kDecodeBytes) {
    bytes += LayerBytes(weights.layers[static_cast<size_t>(layers++)]);
  }
  return layers;
}

}  // namespace

WorkSetting::WorkSetting(const Engine& model, const CpuTopology& machine, int threads)
    : engine(model), topology(machine), pool(threads) {
  context.pool = &pool;
  context.table = &model.kernels();
  context.numerics = model.options().numerics;
}

Result<std::unique_ptr<StageWork>> StageWork::Create(Stage stage, WorkSetting& setting) {
  if (stage == Stage::kEncode) return std::unique_ptr<StageWork>(new EncodeWork(setting));
  const Engine& engine = setting.engine;
  const bool decode = stage == Stage::kDecode;
  const int64_t tokens = decode ? 1 : std::min(kPromptTokens, engine.context_length());
  const int64_t past = decode ? std::min(kDecodePast, engine.context_length() - 1) : 0;
  const int layers = decode ? DecodeLayers(engine.weights().text()) : 1;
  TextConfig config = engine.config().text;
  config.layers = layers;
  const DType type = setting.engine.cache_type();
  KvSequence sequence(KvLayout::Of(config, type));
  MCV_RETURN_IF_ERROR(sequence.Grow(past + tokens));
  MCV_ASSIGN_OR_RETURN(RopeCache rope, RopeCache::Create(config.head_dim, config.rope_theta,
                                                         past + tokens, past + tokens));
  return std::unique_ptr<StageWork>(
      new TextWork(setting, stage, std::move(sequence), std::move(rope), layers, tokens, past));
}

}  // namespace mcv
