// The compression layer: one cross-attention that turns the N patches of a view into Q rows of the
// LLM's width. Paper section 3 (visual encoding, "Compression Layer").
#pragma once

#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/weights.h"
#include "spec/config.h"

namespace mcv {

// out [Q, E] from the first `num_patches` rows of act.x [N, C]: padding rows are not keys.
// key_positions [num_patches, E] is what the version adds to the keys, and only to the keys.
void Resample(const ResamplerWeights& weights, const ResamplerConfig& config, int64_t num_patches,
              ConstMatView key_positions, VisionActivations& act, MatView out, Context& ctx);

}  // namespace mcv
