#include "trainer/modules/resampler.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"

namespace mcv::trainer {
Tensor SinCosTable(GridSize grid, int64_t width) {
  const int64_t bands = width / 4;
  const Tensor exponent = torch::arange(bands, at::kFloat) / static_cast<double>(bands);
  const Tensor frequency = 1.0 / torch::pow(torch::full({bands}, 10000.0f), exponent);
  const auto wave = [&](int64_t count) {
    const Tensor angle = torch::arange(count, at::kFloat).unsqueeze(1) * frequency;
    return torch::cat({angle.sin(), angle.cos()}, 1);
  };
  const std::vector<int64_t> shape = {grid.rows, grid.cols, 2 * bands};
  const Tensor columns = wave(grid.cols).unsqueeze(0).expand(shape);
  const Tensor rows = wave(grid.rows).unsqueeze(1).expand(shape);
  return torch::cat({columns, rows}, 2).reshape({grid.rows * grid.cols, width});
}

Resampler::Resampler(const ResamplerConfig& config) : config_(config) {
  MCV_CHECK(config.heads > 0 && config.width % config.heads == 0);
  const int64_t e = config.width;
  const int64_t queries = config.queries;
  const double fan_in = 1.0 / std::sqrt(static_cast<double>(e));
  query_ = register_parameter("query", torch::randn({queries, e}));
  kv_proj_ = register_module("kv_proj", std::make_shared<Dense>(config.kv_width, e, false));
  auto attention = register_module("attn", std::make_shared<Scope>());
  in_proj_weight_ =
      attention->register_parameter("in_proj_weight", torch::randn({3 * e, e}) * fan_in);
  in_proj_bias_ = attention->register_parameter("in_proj_bias", torch::zeros({3 * e}));
  out_proj_ = attention->register_module("out_proj", std::make_shared<Dense>(e, e, true));
  ln_q_ = register_module("ln_q", std::make_shared<LayerNormLayer>(e, config.norm_eps));
  ln_kv_ = register_module("ln_kv", std::make_shared<LayerNormLayer>(e, config.norm_eps));
  ln_post_ = register_module("ln_post", std::make_shared<LayerNormLayer>(e, config.norm_eps));
  proj_ = register_parameter("proj", torch::randn({e, e}) * fan_in);
}

void Resampler::InitialiseLooking(const std::vector<Place>& places) {
  MCV_CHECK(static_cast<int64_t>(places.size()) == config_.queries);
  const torch::NoGradGuard guard;
  const int64_t e = config_.width;
  const int64_t bands = e / 4;
  Tensor x = torch::empty({config_.queries});
  Tensor y = torch::empty({config_.queries});
  for (int64_t i = 0; i < config_.queries; ++i) {
    x[i] = places[i].column;
    y[i] = places[i].row;
  }
  const Tensor exponent = torch::arange(bands, at::kFloat) / static_cast<double>(bands);
  const Tensor frequency = 1.0 / torch::pow(torch::full({bands}, 10000.0f), exponent);
  const Tensor ax = x.unsqueeze(1) * frequency;
  const Tensor ay = y.unsqueeze(1) * frequency;
  query_.copy_(torch::cat({ax.sin(), ax.cos(), ay.sin(), ay.cos()}, 1));

  // Every head compares the fastest waves of both axes, those that tell neighbours apart. What
  // stands at a place must not drown where it is: contents start small in keys, and large again in
  // values.
  constexpr double kContent = 0.1;
  constexpr double kSharpness = 3.6;
  const int64_t head_dim = e / config_.heads;
  const int64_t used = std::min<int64_t>(bands / 8, head_dim / 4);
  Tensor compare = torch::randn({e, e}) * (0.1 / std::sqrt(static_cast<double>(e)));
  for (int64_t head = 0; head < config_.heads; ++head) {
    for (int64_t i = 0; i < used; ++i) {
      for (int64_t part = 0; part < 4; ++part) {
        compare[head * head_dim + 4 * i + part][part * bands + i] += kSharpness;
      }
    }
  }
  in_proj_weight_.narrow(0, 0, e).copy_(compare);
  in_proj_weight_.narrow(0, e, e).copy_(compare);
  const double fan_in = 1.0 / std::sqrt(static_cast<double>(e));
  in_proj_weight_.narrow(0, 2 * e, e).copy_(torch::randn({e, e}) * (fan_in / kContent));
  in_proj_bias_.zero_();
  ln_kv_->weight.fill_(kContent);
}

Tensor Resampler::KeyPositions(const std::vector<GridSize>& grids, at::ScalarType type) {
  std::vector<Tensor> parts;
  parts.reserve(grids.size());
  for (const GridSize& grid : grids) {
    auto [entry, is_new] = tables_.try_emplace(grid);
    if (is_new) entry->second = SinCosTable(grid, config_.width).to(query_.device());
    parts.push_back(entry->second);
  }
  return torch::cat(parts, 0).to(type);
}

Tensor Resampler::Forward(const Tensor& x, const std::vector<GridSize>& grids) {
  const int64_t e = config_.width;
  const int64_t pictures = static_cast<int64_t>(grids.size());
  const int64_t asked = config_.queries;
  const at::ScalarType type = x.scalar_type();
  const auto w = in_proj_weight_.split(e, 0);
  const auto b = in_proj_bias_.split(e, 0);

  const Tensor kv = (*ln_kv_)((*kv_proj_)(x).to(at::kFloat), type);
  const Tensor keys = Linear(kv + KeyPositions(grids, type), w[1], b[1]);
  const Tensor values = Linear(kv, w[2], b[2]);
  // All pictures ask the same questions, so the projection runs once.
  const Tensor q = Linear((*ln_q_)(query_, type), w[0], b[0]);
  const Tensor queries = q.unsqueeze(0).expand({pictures, asked, e}).reshape({pictures * asked, e});

  AttentionSpec spec;
  spec.heads = spec.kv_heads = config_.heads;
  spec.head_dim = e / config_.heads;
  spec.q_offsets.push_back(0);
  spec.k_offsets.push_back(0);
  for (const GridSize& grid : grids) {
    spec.q_offsets.push_back(spec.q_offsets.back() + config_.queries);
    spec.k_offsets.push_back(spec.k_offsets.back() + grid.rows * grid.cols);
  }
  const Tensor attended = (*out_proj_)(Attention(queries, keys, values, spec));
  // `proj` multiplies from the right, unlike a linear layer's weight.
  return Linear((*ln_post_)(attended.to(at::kFloat), type), proj_.t());
}

}  // namespace mcv::trainer
