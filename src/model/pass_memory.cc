#include "model/pass_memory.h"

#include <algorithm>
#include <array>

#include "model/activations.h"
#include "model/text/rope_table.h"
#include "model/vision/encoder_numerics.h"
#include "model/vision/key_positions.h"
#include "model/vision/patch_embedding.h"

namespace mcv {

namespace {

constexpr int64_t kFloat = sizeof(float);

// The largest of a pass's operations: they use the context's scratch one after the other.
class ScratchOfPass {
 public:
  explicit ScratchOfPass(const ScratchSetting& setting) : setting_(setting) {}

  void MatMul(int64_t tokens, const WeightView& weight) {
    Note(MatMulScratch(tokens, std::array{weight}, setting_));
  }
  void MatMulMany(int64_t tokens, const Linear& q, const Linear& k, const Linear& v) {
    Note(MatMulScratch(tokens, std::array{q.weight, k.weight, v.weight}, setting_));
  }
  void SwiGlu(int64_t tokens, const WeightView& gate, const WeightView& up) {
    Note(SwiGluScratch(tokens, gate, up, setting_));
  }
  void Attention(const AttentionArgs& args) { Note(AttentionScratch(args, setting_)); }
  int64_t bytes() const { return bytes_; }

 private:
  void Note(int64_t bytes) { bytes_ = std::max(bytes_, bytes); }

  const ScratchSetting& setting_;
  int64_t bytes_ = 0;
};

// Shapes only: `queries` rows look at `keys` rows.
AttentionArgs ShapeOf(int64_t queries, int64_t keys, DType key_type, int heads, int kv_heads,
                      int head_dim) {
  AttentionArgs args;
  args.q = {nullptr, queries, int64_t{heads} * head_dim};
  args.out = {nullptr, queries, int64_t{heads} * head_dim};
  args.keys.type = args.values.type = key_type;
  args.num_keys = keys;
  args.heads = heads;
  args.kv_heads = kv_heads;
  args.head_dim = head_dim;
  return args;
}

// As SiglipLayer multiplies.
void NoteTower(const VisionWeights& vision, const VisionConfig& config, int64_t patches,
               ScratchOfPass& scratch) {
  for (const VisionLayerWeights& layer : vision.layers) {
    scratch.MatMulMany(patches, layer.q, layer.k, layer.v);
    scratch.MatMul(patches, layer.out.weight);
    scratch.MatMul(patches, layer.fc1.weight);
    scratch.MatMul(patches, layer.fc2.weight);
  }
  scratch.Attention(
      ShapeOf(patches, patches, DType::kF32, config.heads, config.heads, config.head_dim()));
}

// As Resample multiplies.
void NoteResampler(const ResamplerWeights& w, const ResamplerConfig& config, int64_t patches,
                   ScratchOfPass& scratch) {
  scratch.MatMul(config.queries, w.q.weight);
  scratch.MatMul(patches, w.kv);
  scratch.MatMul(patches, w.v.weight);
  scratch.MatMul(patches, w.k.weight);
  scratch.Attention(ShapeOf(config.queries, patches, DType::kF32, config.heads, config.heads,
                            config.width / config.heads));
  scratch.MatMul(config.queries, w.out.weight);
  scratch.MatMul(config.queries, w.proj);
}

// As DecoderLayer multiplies.
void NoteLayer(const TextLayerWeights& w, int64_t tokens, ScratchOfPass& scratch) {
  scratch.MatMulMany(tokens, w.q, w.k, w.v);
  scratch.MatMul(tokens, w.out);
  scratch.SwiGlu(tokens, w.gate, w.up);
  scratch.MatMul(tokens, w.down);
}

}  // namespace

ViewMemory MemoryOfView(const ModelConfig& config, const Weights& weights, int64_t patches,
                        const PatchGrid& sides, const ScratchSetting& setting) {
  ScratchOfPass layers(setting);
  NoteTower(weights.vision(), config.vision, patches, layers);
  ScratchSetting around_setting = setting;
  around_setting.numerics = AroundLayers(setting.numerics);
  ScratchOfPass around(around_setting);
  around.MatMul(patches, weights.vision().patch.weight);
  NoteResampler(weights.resampler(), config.resampler, patches, around);
  ViewMemory memory;
  memory.activations = VisionActivations::FloatsFor(config, patches) * kFloat;
  memory.tables = KeyPositions::BytesFor(config.resampler, patches, sides) +
                  StretchedTable::BytesFor(config.vision, patches, sides.cols);
  memory.scratch = std::max(layers.bytes(), around.bytes());
  return memory;
}

BatchMemory MemoryOfBatch(const TextConfig& config, const TextWeights& weights, DType cache_type,
                          int64_t tokens, int64_t positions, const ScratchSetting& setting) {
  ScratchOfPass scratch(setting);
  // A prompt ends in a batch of any size, and an answer is read token by token.
  for (const int64_t count : {tokens, int64_t{1}}) {
    for (const TextLayerWeights& layer : weights.layers) NoteLayer(layer, count, scratch);
    scratch.Attention(ShapeOf(count, std::max(count, positions), cache_type, config.heads,
                              config.kv_heads, config.head_dim));
  }
  scratch.MatMul(1, weights.head);
  BatchMemory memory;
  memory.activations = TextActivations::FloatsFor(config, tokens) * kFloat;
  memory.tables = RopeCache::BytesFor(config.head_dim, positions);
  memory.scratch = scratch.bytes();
  return memory;
}

}  // namespace mcv
