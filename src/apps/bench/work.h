// How much work a model asks for, in operations (a multiplication and an addition count as two) and
// in bytes read: with the machine's limits this gives the least time that a stage can take.
#pragma once

#include <cstdint>

#include "family/config.h"
#include "model/weights.h"

namespace mcv::bench {

// One view of `patches` patches: patch embedding, tower, resampler.
double ViewOperations(const ModelConfig& config, int64_t patches);

// One token through the decoder's matrices; attention and head apart.
double LayerOperationsPerToken(const TextConfig& config);

// A prompt of `tokens` into an empty cache: layers, causal attention, the head once. Of the last
// layer only keys and values, and all of it for the last token: nothing more is asked of it.
double PrefillOperations(const TextConfig& config, int64_t tokens);

// Bytes of weights that one decoded token reads: every layer, the head, one row of the embedding.
uint64_t WeightBytesPerToken(const TextWeights& weights);

}  // namespace mcv::bench
