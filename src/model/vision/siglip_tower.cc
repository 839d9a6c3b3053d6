#include "model/vision/siglip_tower.h"

#include "model/vision/siglip_layer.h"

namespace mcv {

Status SiglipTower(const VisionWeights& weights, const VisionConfig& config, const VisionStep& step,
                   VisionActivations& act, Context& ctx) {
  Note(step.taps, Tap::kVitEmbedding, 0, act.x);
  for (int layer = 0; layer < config.layers; ++layer) {
    if (step.cancel != nullptr && step.cancel->load(std::memory_order_relaxed)) {
      return Cancelled("stopped while looking at the picture");
    }
    SiglipLayer(weights.layers[static_cast<size_t>(layer)], config, act, ctx);
    Note(step.taps, Tap::kVitLayer, layer, act.x);
  }
  LayerNorm(act.x, weights.final_norm.weight, weights.final_norm.bias, config.norm_eps, act.x, ctx);
  Note(step.taps, Tap::kVit, 0, act.x);
  return OkStatus();
}

}  // namespace mcv
