// What one pass through the network takes, known before it runs: for plans. Sizes of buffers come
// from the code that takes them, those of kernel scratch from the kernels themselves.
#pragma once

#include <cstdint>

#include "family/config.h"
#include "family/vision/positions.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace mcv {

// Bytes while views are encoded.
struct ViewMemory {
  int64_t activations = 0;
  int64_t tables = 0;   // positions that are kept between views
  int64_t scratch = 0;  // in the context; stays until something larger replaces it
};

// The largest view: patches with padding, and the most patches that any view has each way (for
// tables of positions). setting.numerics are the encoder's.
ViewMemory MemoryOfView(const ModelConfig& config, const Weights& weights, int64_t patches,
                        const PatchGrid& sides, const ScratchSetting& setting);

// Bytes while tokens are read or said.
struct BatchMemory {
  int64_t activations = 0;
  int64_t tables = 0;  // rotary angles
  int64_t scratch = 0;
};

// `tokens` at a time until `positions` are held.
BatchMemory MemoryOfBatch(const TextConfig& config, const TextWeights& weights, DType cache_type,
                          int64_t tokens, int64_t positions, const ScratchSetting& setting);

}  // namespace mcv
