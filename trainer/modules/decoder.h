// The language model: a pre-norm decoder with grouped queries, rotary positions and SwiGLU.
//
// One class covers the family's Llama (2.5), Qwen2 (2.6: biases on q, k, v) and MiniCPM (1.0, 2.0:
// scaled embeddings, residual branches and logits) decoders; the differences are numbers in the
// config.
#pragma once

#include <memory>
#include <vector>

#include "family/config.h"
#include "trainer/modules/layers.h"

namespace mcv::trainer {

class DecoderLayer : public torch::nn::Module {
 public:
  explicit DecoderLayer(const TextConfig& config);
  // x [rows, width] fp32. With `kept_rows` only those rows go on after attention: the last layer
  // need not compute rows that nobody asks.
  Tensor Forward(const Tensor& x, const AttentionSpec& spec, const Tensor& kept_rows,
                 at::ScalarType type);

 private:
  double residual_scale_;
  std::shared_ptr<RmsNormLayer> input_norm_, post_norm_;
  std::shared_ptr<Dense> q_, k_, v_, o_, gate_, up_, down_;
};

class Decoder : public torch::nn::Module {
 public:
  explicit Decoder(const TextConfig& config);

  // ids [rows] int64 -> [rows, width] fp32.
  Tensor Embed(const Tensor& ids) const;
  // x [rows, width] fp32: several sequences one after the other as `offsets` says; rows behind the
  // last are padding. Returns fp32 logits [kept rows, vocabulary] (all rows if kept_rows is
  // undefined).
  Tensor Forward(const Tensor& x, const std::vector<int64_t>& offsets, const Tensor& kept_rows,
                 at::ScalarType type);

  const TextConfig& config() const { return config_; }

 private:
  TextConfig config_;
  std::shared_ptr<Table> embed_tokens_;
  std::vector<std::shared_ptr<DecoderLayer>> layers_;
  std::shared_ptr<RmsNormLayer> norm_;
  std::shared_ptr<Dense> lm_head_;
  RopeTables rope_;  // not a buffer: the published checkpoints do not hold it
};

}  // namespace mcv::trainer
