// One block of the vision transformer. Paper section 3 (SigLIP SoViT-400m/14).
#pragma once

#include "family/config.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/weights.h"

namespace mcv {

// act.x [N, C] -> act.x [N, C], in place. Every patch sees every patch, padding included: the
// caller decides N.
void SiglipLayer(const VisionLayerWeights& weights, const VisionConfig& config,
                 VisionActivations& act, Context& ctx);

}  // namespace mcv
