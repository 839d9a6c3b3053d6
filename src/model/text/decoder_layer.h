// One decoder layer of the language model. Llama, MiniCPM and Qwen2 are the same layer with other
// numbers: MiniCPM scales each branch, Qwen2 has biases on q, k and v.
#pragma once

#include "family/config.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/taps.h"
#include "model/text/kv_cache.h"
#include "model/weights.h"

namespace mcv {

// What belongs to one call of the decoder and not to the model.
struct TextStep {
  // Position of the first row. Without beams row t stands at past + t; with beams every row is one
  // beam's next token, all at position past + rows that the beams have added.
  int64_t past = 0;
  RopeTable rope;                 // [T, D / 2]
  BeamSuffixes* beams = nullptr;  // null: one sequence
  const TapSink* taps = nullptr;
};

// act.x [T, E] -> act.x [T, E], in place; stores the step's keys and values in the cache.
void DecoderLayer(const TextLayerWeights& weights, const TextConfig& config, int layer,
                  const TextStep& step, TextActivations& act, KvCache& cache, Context& ctx);

// Only the part that later tokens need: act.x stays as it is. For one sequence.
void StoreKeysAndValues(const TextLayerWeights& weights, const TextConfig& config, int layer,
                        const TextStep& step, TextActivations& act, KvCache& cache, Context& ctx);

}  // namespace mcv
