// The whole model: pictures through the tower and the resampler into the decoder's sequence.
#pragma once

#include <memory>
#include <vector>

#include "family/config.h"
#include "trainer/modules/decoder.h"
#include "trainer/modules/resampler.h"
#include "trainer/modules/siglip.h"

namespace mcv::trainer {

// Pictures of one step, patches of all of them in one matrix.
struct PictureBatch {
  Tensor patches;       // [patch rows, 3 * 14 * 14], normalised to [-1, 1]
  Tensor position_ids;  // [patch rows] int64
  std::vector<GridSize> grids;
  std::vector<int64_t> offsets;  // first patch row of each picture, then the end
};

// Conversations of one step, one after the other; conversation i shows picture i.
struct TextBatch {
  Tensor ids;                    // [rows] int64; rows behind the last offset are padding
  std::vector<int64_t> offsets;  // first row of each conversation, then the end
  Tensor feature_rows;           // [pictures * queries] int64: rows that features replace
  Tensor kept_rows;              // [kept] int64: rows whose next token is asked
};

class MiniCpmV : public torch::nn::Module {
 public:
  explicit MiniCpmV(const ModelConfig& config);

  // [patch rows, vision width]
  Tensor Encode(const PictureBatch& pictures, at::ScalarType type);
  // Tower output -> [pictures * queries, width]
  Tensor Resample(const Tensor& encoded, const PictureBatch& pictures);
  // fp32 logits [kept, vocabulary]
  Tensor Decode(const Tensor& features, const TextBatch& text, at::ScalarType type);

  SiglipTower& vpm() { return *vpm_; }
  Resampler& resampler() { return *resampler_; }
  Decoder& llm() { return *llm_; }
  const ModelConfig& config() const { return config_; }

 private:
  ModelConfig config_;
  std::shared_ptr<Decoder> llm_;
  std::shared_ptr<SiglipTower> vpm_;
  std::shared_ptr<Resampler> resampler_;
};

}  // namespace mcv::trainer
