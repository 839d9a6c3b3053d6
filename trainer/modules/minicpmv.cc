#include "trainer/modules/minicpmv.h"

#include "base/status.h"

namespace mcv::trainer {

MiniCpmV::MiniCpmV(const ModelConfig& config) : config_(config) {
  MCV_CHECK(config.resampler.width == config.text.width);
  MCV_CHECK(config.resampler.kv_width == config.vision.width);
  llm_ = register_module("llm", std::make_shared<Decoder>(config.text));
  vpm_ = register_module("vpm", std::make_shared<SiglipTower>(config.vision));
  resampler_ = register_module("resampler", std::make_shared<Resampler>(config.resampler));
}

Tensor MiniCpmV::Encode(const PictureBatch& pictures, at::ScalarType type) {
  return vpm_->Forward(pictures.patches, pictures.position_ids, pictures.offsets, type);
}

Tensor MiniCpmV::Resample(const Tensor& encoded, const PictureBatch& pictures) {
  return resampler_->Forward(encoded, pictures.grids);
}

Tensor MiniCpmV::Decode(const Tensor& features, const TextBatch& text, at::ScalarType type) {
  // The placeholder's own embeddings are replaced, not added to.
  const Tensor x = llm_->Embed(text.ids).index_copy(0, text.feature_rows, features.to(at::kFloat));
  return llm_->Forward(x, text.offsets, text.kept_rows, type);
}

}  // namespace mcv::trainer
