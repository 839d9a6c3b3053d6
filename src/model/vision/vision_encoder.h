// One view of a picture to the rows that stand for it in the prompt: patches, tower, resampler.
#pragma once

#include "base/status.h"
#include "family/config.h"
#include "family/vision/positions.h"
#include "family/vision/views.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/vision/key_positions.h"
#include "model/vision/patch_embedding.h"
#include "model/vision/siglip_tower.h"
#include "model/weights.h"

namespace mcv {

// What a conversation needs of an encoder, so that sessions can be tested with a scripted one.
class ViewEncoder {
 public:
  virtual ~ViewEncoder() = default;
  virtual int rows_per_view() const = 0;  // Q
  virtual int width() const = 0;          // E
  // out [Q, E]. `positions` comes from PositionIds over all views of the picture.
  virtual Status Encode(const View& view, const ViewPositions& positions, const VisionStep& step,
                        MatView out) = 0;
  // Gives back what encoding needed; the next Encode takes it again.
  virtual void Release() = 0;
};

// Owns its buffers; config, weights and context are borrowed and must outlive it. One thread.
class VisionEncoder final : public ViewEncoder {
 public:
  // Multiplies as `numerics` says, whatever the context is set to between the calls.
  VisionEncoder(const ModelConfig& config, const VisionWeights& vision,
                const ResamplerWeights& resampler, Numerics numerics, Context& ctx)
      : config_(config), vision_(vision), resampler_(resampler), numerics_(numerics), ctx_(ctx) {}
  VisionEncoder(const ModelConfig& config, const VisionWeights& vision,
                const ResamplerWeights& resampler, Context& ctx)
      : VisionEncoder(config, vision, resampler, ctx.numerics, ctx) {}

  int rows_per_view() const override { return config_.resampler.queries; }
  int width() const override { return config_.resampler.width; }
  Status Encode(const View& view, const ViewPositions& positions, const VisionStep& step,
                MatView out) override;
  void Release() override;

 private:
  const ModelConfig& config_;
  const VisionWeights& vision_;
  const ResamplerWeights& resampler_;
  const Numerics numerics_;
  Context& ctx_;
  VisionActivations act_;
  StretchedTable stretched_;
  KeyPositions key_positions_;
};

}  // namespace mcv
