// The compression layer: one cross-attention that turns the N patches of a view into Q rows of the
// LLM's width. Paper section 3 (visual encoding, "Compression Layer").
#pragma once

#include "family/config.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/vision/key_positions.h"
#include "model/weights.h"

namespace mcv {

// out [Q, E] from the first rows of act.x [N, C], one for each patch of the grid: padding rows are
// not keys. key_positions is what the version adds to the keys, and only to the keys.
void Resample(const ResamplerWeights& weights, const ResamplerConfig& config,
              const GridPositions& key_positions, VisionActivations& act, MatView out,
              Context& ctx);

}  // namespace mcv
