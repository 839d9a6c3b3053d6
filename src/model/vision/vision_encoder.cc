#include "model/vision/vision_encoder.h"

#include <algorithm>

#include "model/vision/encoder_numerics.h"
#include "model/vision/resampler.h"

namespace mcv {

namespace {

Status LayersOf(const VisionWeights& vision, const VisionConfig& config, Numerics numerics,
                const VisionStep& step, VisionActivations& act, Context& ctx) {
  const NumericsScope scope(numerics, ctx);
  return SiglipTower(vision, config, step, act, ctx);
}

void FillPatches(const View& view, const ModelConfig& config, MatView patches) {
  const int64_t count = view.num_patches();
  NormalisePatches(view, config, {patches.data, static_cast<size_t>(patches.rows * patches.stride)},
                   patches.stride);
  std::fill(patches.Row(count), patches.Row(patches.rows), 0.0f);  // padding (strip positions)
}

}  // namespace

// N patches with padding, C vision width, E LLM width, Q queries.
Status VisionEncoder::Encode(const View& view, const ViewPositions& positions,
                             const VisionStep& step, MatView out) {
  const NumericsScope scope(AroundLayers(numerics_), ctx_);
  const PatchGrid grid{view.patch_rows, view.patch_cols};
  act_.Shape(config_, grid.num_patches() + positions.num_padding);
  FillPatches(view, config_, act_.patches);                                             // [N, P]
  EmbedPatches(vision_, config_.vision, grid, positions, stretched_, act_, ctx_);       // [N, C]
  MCV_RETURN_IF_ERROR(LayersOf(vision_, config_.vision, numerics_, step, act_, ctx_));  // [N, C]
  Resample(resampler_, config_.resampler, key_positions_.For(grid, resampler_, config_.resampler),
           act_, out, ctx_);  // [Q, E]
  if (config_.projector_predivided) {
    // The file expects the decoder to multiply image rows like token rows; ours leaves them alone.
    const float scale = config_.text.embedding_scale;
    for (int64_t row = 0; row < out.rows; ++row) {
      for (int64_t col = 0; col < out.cols; ++col) out.Row(row)[col] *= scale;
    }
  }
  Note(step.taps, Tap::kResampler, 0, out);
  return OkStatus();
}

void VisionEncoder::Release() {
  act_ = VisionActivations();
  stretched_ = StretchedTable();
  key_positions_ = KeyPositions();
}

}  // namespace mcv
