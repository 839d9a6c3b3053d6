// One decoder layer of the language model. Llama, MiniCPM and Qwen2 are the same layer with other
// numbers: MiniCPM scales each branch, Qwen2 has biases on q, k and v.
#pragma once

#include <span>

#include "family/config.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/taps.h"
#include "model/text/kv_pages.h"
#include "model/weights.h"

namespace mcv {

// The rows of one sequence in a step: consecutive positions from `past` on.
struct SequenceRows {
  KvSequence* sequence = nullptr;
  int64_t past = 0;  // position of the first row
  int64_t rows = 0;
};

// What belongs to one call of the decoder and not to the model. T = rows of all sequences, one
// after the other.
struct TextStep {
  std::span<const SequenceRows> sequences;
  RopeTable rope;  // [T, D / 2]
  const TapSink* taps = nullptr;
};

// act.x [T, E] -> act.x [T, E], in place; stores the step's keys and values in the sequences.
void DecoderLayer(const TextLayerWeights& weights, const TextConfig& config, int layer,
                  const TextStep& step, TextActivations& act, Context& ctx);

// Only the part that later tokens need: act.x stays as it is.
void StoreKeysAndValues(const TextLayerWeights& weights, const TextConfig& config, int layer,
                        const TextStep& step, TextActivations& act, Context& ctx);

}  // namespace mcv
