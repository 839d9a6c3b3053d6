// The vision tower of MiniCPM-Llama3-V 2.5 and later: SigLIP with a 70x70 position table.
//
// Pre-norm transformer over 14x14 patches: x += out(attention(LN1 x)), x += fc2(gelu_tanh(fc1(LN2
// x))), then a final LayerNorm. Names follow the published checkpoints (`vpm.` is this module's
// prefix).
#pragma once

#include <memory>
#include <vector>

#include "family/config.h"
#include "trainer/modules/layers.h"

namespace mcv::trainer {

// Values of one patch: channels x rows x columns.
inline int64_t PatchValues(const VisionConfig& config) {
  return int64_t{3} * config.patch * config.patch;
}

// Position table row of patch (row, col) in a grid: floor(70 row / rows) * 70 + floor(70 col /
// cols).
int64_t GridPositionId(int64_t row, int64_t rows, int64_t col, int64_t cols, int64_t side);

class SiglipLayer : public torch::nn::Module {
 public:
  explicit SiglipLayer(const VisionConfig& config);
  // x [rows, width] fp32; `spec` says which rows are one picture.
  Tensor Forward(const Tensor& x, const AttentionSpec& spec, at::ScalarType type);

 private:
  std::shared_ptr<LayerNormLayer> norm1_, norm2_;
  std::shared_ptr<Dense> q_, k_, v_, out_, fc1_, fc2_;
};

class SiglipTower : public torch::nn::Module {
 public:
  explicit SiglipTower(const VisionConfig& config);

  // patches [rows, 3 * 14 * 14] (channel, row, column; normalised), position_ids [rows] int64,
  // offsets: where each picture's rows begin, plus the end. Returns [rows, width] of type `type`.
  Tensor Forward(const Tensor& patches, const Tensor& position_ids,
                 const std::vector<int64_t>& offsets, at::ScalarType type);
  // The input of the first layer, fp32.
  Tensor Embed(const Tensor& patches, const Tensor& position_ids, at::ScalarType type);
  Tensor RunLayers(Tensor x, const std::vector<int64_t>& offsets, int64_t count,
                   at::ScalarType type);

  // Makes the patch embedding whiten the given patches ([count, patch values], normalised) and
  // fills the position table with a sine-cosine pattern: a start that needs far fewer samples.
  void InitialiseFrom(const Tensor& patches);

  const VisionConfig& config() const { return config_; }

 private:
  VisionConfig config_;
  std::shared_ptr<Dense> patch_embedding_;
  std::shared_ptr<Table> position_embedding_;
  std::vector<std::shared_ptr<SiglipLayer>> layers_;
  std::shared_ptr<LayerNormLayer> post_norm_;
};

}  // namespace mcv::trainer
