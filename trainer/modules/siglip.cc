#include "trainer/modules/siglip.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"

namespace mcv::trainer {
namespace {

template <class M>
std::shared_ptr<M> Child(torch::nn::Module& parent, const char* name, std::shared_ptr<M> module) {
  return parent.register_module(name, std::move(module));
}

}  // namespace

int64_t GridPositionId(int64_t row, int64_t rows, int64_t col, int64_t cols, int64_t side) {
  return side * row / rows * side + side * col / cols;
}

SiglipLayer::SiglipLayer(const VisionConfig& c) {
  const int64_t d = c.width;
  // Residual branches start small, so that a deep sum starts with the scale of its input.
  const double branch = 1.0 / std::sqrt(2.0 * static_cast<double>(c.layers));
  norm1_ = Child(*this, "layer_norm1", std::make_shared<LayerNormLayer>(d, c.norm_eps));
  auto attention = Child(*this, "self_attn", std::make_shared<Scope>());
  q_ = Child(*attention, "q_proj", std::make_shared<Dense>(d, d, true));
  k_ = Child(*attention, "k_proj", std::make_shared<Dense>(d, d, true));
  v_ = Child(*attention, "v_proj", std::make_shared<Dense>(d, d, true));
  out_ = Child(*attention, "out_proj", std::make_shared<Dense>(d, d, true, branch));
  norm2_ = Child(*this, "layer_norm2", std::make_shared<LayerNormLayer>(d, c.norm_eps));
  auto mlp = Child(*this, "mlp", std::make_shared<Scope>());
  fc1_ = Child(*mlp, "fc1", std::make_shared<Dense>(d, c.ffn, true));
  fc2_ = Child(*mlp, "fc2", std::make_shared<Dense>(c.ffn, d, true, branch));
}

Tensor SiglipLayer::Forward(const Tensor& x, const AttentionSpec& spec, at::ScalarType type) {
  const int64_t d = x.size(1);
  const Tensor weight = torch::cat({q_->weight, k_->weight, v_->weight}, 0);
  const Tensor bias = torch::cat({q_->bias, k_->bias, v_->bias}, 0);
  const auto qkv = Linear((*norm1_)(x, type), weight, bias).split_with_sizes({d, d, d}, 1);
  const Tensor attended = Attention(qkv[0], qkv[1], qkv[2], spec);
  const Tensor y = ResidualAdd(x, out_->Product(attended), out_->bias);
  const Tensor hidden = BiasGelu(fc1_->Product((*norm2_)(y, type)), fc1_->bias);
  return ResidualAdd(y, fc2_->Product(hidden), fc2_->bias);
}

SiglipTower::SiglipTower(const VisionConfig& config) : config_(config) {
  auto embeddings = Child(*this, "embeddings", std::make_shared<Scope>());
  patch_embedding_ = Child(*embeddings, "patch_embedding",
                           std::make_shared<Dense>(PatchValues(config), config.width, true));
  // The published shape is that of a convolution; as a matrix product it is the same numbers.
  {
    const torch::NoGradGuard guard;
    patch_embedding_->weight.set_data(
        patch_embedding_->weight.view({config.width, 3, config.patch, config.patch}));
  }
  position_embedding_ = Child(
      *embeddings, "position_embedding",
      std::make_shared<Table>(int64_t{config.table_side} * config.table_side, config.width, 0.02));
  auto encoder = Child(*this, "encoder", std::make_shared<Scope>());
  auto list = Child(*encoder, "layers", std::make_shared<Scope>());
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.push_back(
        Child(*list, std::to_string(i).c_str(), std::make_shared<SiglipLayer>(config)));
  }
  post_norm_ = Child(*this, "post_layernorm",
                     std::make_shared<LayerNormLayer>(config.width, config.norm_eps));
}

Tensor SiglipTower::Embed(const Tensor& patches, const Tensor& position_ids, at::ScalarType type) {
  const Tensor weight = patch_embedding_->weight.view({config_.width, PatchValues(config_)});
  const Tensor positions = (*position_embedding_)(position_ids);
  return ResidualAdd(positions, Linear(patches.to(type), weight), patch_embedding_->bias);
}

Tensor SiglipTower::RunLayers(Tensor x, const std::vector<int64_t>& offsets, int64_t count,
                              at::ScalarType type) {
  AttentionSpec spec;
  spec.q_offsets = offsets;
  spec.k_offsets = offsets;
  spec.heads = spec.kv_heads = config_.heads;
  spec.head_dim = config_.head_dim();
  for (int64_t i = 0; i < count; ++i) x = layers_[i]->Forward(x, spec, type);
  return x;
}

Tensor SiglipTower::Forward(const Tensor& patches, const Tensor& position_ids,
                            const std::vector<int64_t>& offsets, at::ScalarType type) {
  const Tensor x = RunLayers(Embed(patches, position_ids, type), offsets, config_.layers, type);
  return (*post_norm_)(x, type);
}

void SiglipTower::InitialiseFrom(const Tensor& patches) {
  const torch::NoGradGuard guard;
  const int64_t d = config_.width;
  const Tensor x = patches.to(at::kDouble);
  const Tensor mean = x.mean(0);
  const Tensor centred = x - mean;
  const Tensor covariance = centred.t().mm(centred) / static_cast<double>(x.size(0));
  const auto [values, vectors] = torch::linalg_eigh(covariance);
  // eigh sorts upwards: the last columns explain most. Whitened components have unit variance; the
  // floor keeps the faintest ones from being mostly noise.
  const int64_t kept = std::min<int64_t>(d, values.size(0));
  const Tensor top = vectors.narrow(1, values.size(0) - kept, kept);
  const Tensor variance = values.narrow(0, values.size(0) - kept, kept);
  const Tensor scale = torch::rsqrt(variance + 1e-3 * values.mean());
  const Tensor weight = (top * scale).t().to(at::kFloat).contiguous();
  patch_embedding_->weight.view({d, PatchValues(config_)}).narrow(0, 0, kept).copy_(weight);
  patch_embedding_->bias.narrow(0, 0, kept).copy_(-weight.mv(mean.to(at::kFloat)));

  // Half of the width says the row, half the column, in units of the table; amplitude one half.
  const int64_t side = config_.table_side;
  const int64_t bands = d / 4;
  const Tensor band = torch::arange(bands, at::kFloat) / static_cast<double>(bands);
  const Tensor frequency = torch::pow(torch::full({bands}, 200.0), -band);
  const Tensor angle = torch::arange(side, at::kFloat).unsqueeze(1) * frequency;
  const Tensor wave = torch::cat({angle.sin(), angle.cos()}, 1);
  Tensor table = torch::zeros({side, side, d});
  table.narrow(2, 0, 2 * bands).copy_(wave.unsqueeze(0).expand({side, side, 2 * bands}));
  table.narrow(2, 2 * bands, 2 * bands).copy_(wave.unsqueeze(1).expand({side, side, 2 * bands}));
  position_embedding_->weight.copy_(0.5 * table.view({side * side, d}));
}

}  // namespace mcv::trainer
