#include "trainer/modules/decoder.h"

#include <cmath>

#include "base/status.h"

namespace mcv::trainer {
DecoderLayer::DecoderLayer(const TextConfig& c) : residual_scale_(c.residual_scale) {
  const int64_t d = c.width;
  const int64_t kv = int64_t{c.kv_heads} * c.head_dim;
  const double branch = 1.0 / std::sqrt(2.0 * static_cast<double>(c.layers));
  input_norm_ = register_module("input_layernorm", std::make_shared<RmsNormLayer>(d, c.rms_eps));
  auto attention = register_module("self_attn", std::make_shared<Scope>());
  q_ = attention->register_module("q_proj", std::make_shared<Dense>(d, d, c.qkv_bias));
  k_ = attention->register_module("k_proj", std::make_shared<Dense>(d, kv, c.qkv_bias));
  v_ = attention->register_module("v_proj", std::make_shared<Dense>(d, kv, c.qkv_bias));
  o_ = attention->register_module("o_proj", std::make_shared<Dense>(d, d, false, branch));
  post_norm_ =
      register_module("post_attention_layernorm", std::make_shared<RmsNormLayer>(d, c.rms_eps));
  auto mlp = register_module("mlp", std::make_shared<Scope>());
  gate_ = mlp->register_module("gate_proj", std::make_shared<Dense>(d, c.ffn, false));
  up_ = mlp->register_module("up_proj", std::make_shared<Dense>(d, c.ffn, false));
  down_ = mlp->register_module("down_proj", std::make_shared<Dense>(c.ffn, d, false, branch));
}

Tensor DecoderLayer::Forward(const Tensor& x_in, const AttentionSpec& spec, const Tensor& kept_rows,
                             at::ScalarType type) {
  Tensor x = x_in;
  const int64_t q_width = q_->weight.size(0);
  const int64_t kv_width = k_->weight.size(0);
  const Tensor weight = torch::cat({q_->weight, k_->weight, v_->weight}, 0);
  const Tensor bias = q_->bias.defined() ? torch::cat({q_->bias, k_->bias, v_->bias}, 0) : Tensor();
  const auto qkv = Linear((*input_norm_)(x, type), weight, bias)
                       .split_with_sizes({q_width, kv_width, kv_width}, 1);
  Tensor attended = Attention(qkv[0], qkv[1], qkv[2], spec);
  if (kept_rows.defined()) {
    attended = attended.index_select(0, kept_rows);
    x = x.index_select(0, kept_rows);
  }
  x = ResidualAdd(x, o_->Product(attended), Tensor(), residual_scale_);
  const Tensor h = (*post_norm_)(x, type);
  const Tensor gated = SiluMul(gate_->Product(h), up_->Product(h));
  return ResidualAdd(x, down_->Product(gated), Tensor(), residual_scale_);
}

Decoder::Decoder(const TextConfig& config) : config_(config) {
  auto model = register_module("model", std::make_shared<Scope>());
  embed_tokens_ = model->register_module("embed_tokens",
                                         std::make_shared<Table>(config.vocab, config.width, 1.0));
  auto list = model->register_module("layers", std::make_shared<Scope>());
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.push_back(
        list->register_module(std::to_string(i), std::make_shared<DecoderLayer>(config)));
  }
  norm_ =
      model->register_module("norm", std::make_shared<RmsNormLayer>(config.width, config.rms_eps));
  lm_head_ =
      register_module("lm_head", std::make_shared<Dense>(config.width, config.vocab, false, 0.5));
  rope_ = MakeRopeTables(config.max_positions, config.head_dim, config.rope_theta);
}

Tensor Decoder::Embed(const Tensor& ids) const {
  const Tensor rows = (*embed_tokens_)(ids);
  return config_.embedding_scale == 1.0f ? rows : rows * config_.embedding_scale;
}

Tensor Decoder::Forward(const Tensor& x_in, const std::vector<int64_t>& offsets,
                        const Tensor& kept_rows, at::ScalarType type) {
  AttentionSpec spec;
  spec.q_offsets = offsets;
  spec.k_offsets = offsets;
  spec.heads = config_.heads;
  spec.kv_heads = config_.kv_heads;
  spec.head_dim = config_.head_dim;
  spec.causal = true;
  spec.rope = &rope_;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    MCV_CHECK(offsets[s + 1] - offsets[s] <= config_.max_positions);
  }
  Tensor x = x_in;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const bool last = i + 1 == layers_.size();
    x = layers_[i]->Forward(x, spec, last ? kept_rows : Tensor(), type);
  }
  const Tensor h = (*norm_)(x, type);
  const Tensor logits = (*lm_head_)(h).to(at::kFloat);
  return config_.logit_divisor == 1.0f ? logits : logits / config_.logit_divisor;
}

}  // namespace mcv::trainer
