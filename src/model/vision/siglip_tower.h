// The vision tower: a loop over SiglipLayer and a final norm.
#pragma once

#include <atomic>

#include "base/status.h"
#include "family/config.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/taps.h"
#include "model/weights.h"

namespace mcv {

// What belongs to one view's pass and not to the model.
struct VisionStep {
  const TapSink* taps = nullptr;
  const std::atomic<bool>* cancel = nullptr;  // looked at between layers
};

// act.x [N, C], embedded patches -> act.x [N, C], features. Cancelled leaves act.x unfinished.
Status SiglipTower(const VisionWeights& weights, const VisionConfig& config, const VisionStep& step,
                   VisionActivations& act, Context& ctx);

}  // namespace mcv
