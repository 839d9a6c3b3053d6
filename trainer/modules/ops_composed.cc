// The operations of ops.h composed of libtorch's own: the path of other devices, and the meaning
// that the hand-written kernels are tested against.
#include <algorithm>
#include <cmath>

#include "trainer/modules/ops.h"

namespace mcv::trainer::composed {

Tensor Linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor y = torch::matmul(x, weight.to(x.scalar_type()).t());
  return bias.defined() ? y + bias.to(x.scalar_type()) : y;
}

Tensor LayerNorm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                 at::ScalarType out_type) {
  return torch::layer_norm(x, {x.size(-1)}, weight, bias, eps).to(out_type);
}

Tensor RmsNorm(const Tensor& x, const Tensor& weight, double eps, at::ScalarType out_type) {
  const Tensor rstd = torch::rsqrt(x.square().mean(-1, /*keepdim=*/true) + eps);
  return (x * rstd * weight).to(out_type);
}

Tensor BiasGelu(const Tensor& u, const Tensor& bias) {
  const Tensor x = u.to(bias.scalar_type()) + bias;
  const double scale = 2.0 * std::sqrt(2.0 / M_PI);
  return (x * torch::sigmoid(scale * (x + 0.044715 * x * x * x))).to(u.scalar_type());
}

Tensor SiluMul(const Tensor& gate, const Tensor& up) {
  const at::ScalarType wide = gate.scalar_type() == at::kBFloat16 ? at::kFloat : gate.scalar_type();
  const Tensor g = gate.to(wide);
  return (g * torch::sigmoid(g) * up.to(wide)).to(gate.scalar_type());
}

Tensor ResidualAdd(const Tensor& x, const Tensor& y, const Tensor& bias, double scale) {
  Tensor branch = y.to(x.scalar_type());
  if (bias.defined()) branch = branch + bias;
  return x + scale * branch;
}

namespace {

// Segments of unequal length as one rectangle: which row stands where, and back.
struct Rectangle {
  int64_t longest = 0;
  Tensor rows;    // [segments * longest]: the row at each place; padding repeats a segment's first
  Tensor places;  // [rows]: the place of each row
  Tensor bias;    // [segments, 1, 1, longest]: 0, or a large negative number on padding
};

Rectangle MakeRectangle(const std::vector<int64_t>& offsets, const Tensor& like) {
  Rectangle rectangle;
  const int64_t segments = static_cast<int64_t>(offsets.size()) - 1;
  for (int64_t s = 0; s < segments; ++s) {
    rectangle.longest = std::max(rectangle.longest, offsets[s + 1] - offsets[s]);
  }
  std::vector<int64_t> rows, places;
  std::vector<float> bias;
  for (int64_t s = 0; s < segments; ++s) {
    const int64_t count = offsets[s + 1] - offsets[s];
    for (int64_t i = 0; i < rectangle.longest; ++i) {
      rows.push_back(offsets[s] + (i < count ? i : 0));
      // Finite: a softmax over nothing but minus infinity is not a number.
      bias.push_back(i < count ? 0.0f : -1e30f);
      if (i < count) places.push_back(s * rectangle.longest + i);
    }
  }
  const auto index = at::TensorOptions().dtype(at::kLong);
  rectangle.rows = torch::tensor(at::ArrayRef<int64_t>(rows), index).to(like.device());
  rectangle.places = torch::tensor(at::ArrayRef<int64_t>(places), index).to(like.device());
  rectangle.bias = torch::tensor(at::ArrayRef<float>(bias))
                       .to(like.device())
                       .view({segments, 1, 1, rectangle.longest});
  return rectangle;
}

// [..., length, dim] -> the same rotated by position.
Tensor Rotate(const Tensor& x, const RopeTables& rope) {
  const int64_t length = x.size(-2);
  const int64_t half = x.size(-1) / 2;
  const Tensor cosine = rope.cosine.narrow(0, 0, length).to(x.options());
  const Tensor sine = rope.sine.narrow(0, 0, length).to(x.options());
  const Tensor first = x.narrow(-1, 0, half);
  const Tensor second = x.narrow(-1, half, half);
  return torch::cat({first * cosine - second * sine, second * cosine + first * sine}, -1);
}

}  // namespace

Tensor Attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec) {
  const at::ScalarType type = q.scalar_type();
  const at::ScalarType wide = type == at::kBFloat16 ? at::kFloat : type;
  const int64_t segments = static_cast<int64_t>(spec.q_offsets.size()) - 1;
  const Rectangle q_places = MakeRectangle(spec.q_offsets, q);
  const Rectangle k_places = MakeRectangle(spec.k_offsets, q);
  // [segments, heads, length, dim]
  const auto arrange = [&](const Tensor& t, const Rectangle& places, int64_t heads) {
    return t.index_select(0, places.rows)
        .view({segments, places.longest, heads, spec.head_dim})
        .transpose(1, 2);
  };
  Tensor qs = arrange(q, q_places, spec.heads);
  Tensor ks = arrange(k, k_places, spec.kv_heads);
  Tensor vs = arrange(v, k_places, spec.kv_heads);
  if (spec.rope != nullptr) {
    qs = Rotate(qs.to(wide), *spec.rope).to(type);
    ks = Rotate(ks.to(wide), *spec.rope).to(type);
  }
  const int64_t group = spec.heads / spec.kv_heads;
  ks = ks.repeat_interleave(group, 1);
  vs = vs.repeat_interleave(group, 1);
  const double scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  Tensor scores = torch::matmul(qs * scale, ks.transpose(2, 3)).to(wide) + k_places.bias.to(wide);
  if (spec.causal) {
    // A bias instead of masked_fill, which is slow on a CPU.
    const Tensor ones = torch::ones({q_places.longest, k_places.longest}, scores.options());
    scores = scores + torch::triu(ones, 1) * -1e30;
  }
  const Tensor out = torch::matmul(torch::softmax(scores, -1).to(type), vs);
  const Tensor rows = out.transpose(1, 2)
                          .reshape({segments * q_places.longest, spec.heads * spec.head_dim})
                          .index_select(0, q_places.places);
  const int64_t tail = q.size(0) - spec.q_offsets.back();
  if (tail == 0) return rows;
  return torch::cat({rows, torch::zeros({tail, rows.size(1)}, rows.options())}, 0);
}

}  // namespace mcv::trainer::composed
