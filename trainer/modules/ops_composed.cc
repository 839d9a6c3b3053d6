// The operations of ops.h composed of libtorch's own: the path of other devices, and the meaning
// that the hand-written kernels are tested against.
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

// Rows [length, heads, dim] -> the same rotated by position.
Tensor Rotate(const Tensor& rows, const RopeTables& rope) {
  const int64_t length = rows.size(0);
  const int64_t half = rows.size(2) / 2;
  const Tensor cosine = rope.cosine.narrow(0, 0, length).unsqueeze(1).to(rows.options());
  const Tensor sine = rope.sine.narrow(0, 0, length).unsqueeze(1).to(rows.options());
  const Tensor first = rows.narrow(2, 0, half);
  const Tensor second = rows.narrow(2, half, half);
  return torch::cat({first * cosine - second * sine, second * cosine + first * sine}, 2);
}

}  // namespace

Tensor Attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec) {
  const at::ScalarType type = q.scalar_type();
  const at::ScalarType wide = type == at::kBFloat16 ? at::kFloat : type;
  const int64_t group = spec.heads / spec.kv_heads;
  std::vector<Tensor> parts;
  for (size_t s = 0; s + 1 < spec.q_offsets.size(); ++s) {
    const int64_t q_count = spec.q_offsets[s + 1] - spec.q_offsets[s];
    const int64_t k_count = spec.k_offsets[s + 1] - spec.k_offsets[s];
    const auto rows = [&](const Tensor& t, int64_t begin, int64_t count, int64_t heads) {
      return t.narrow(0, begin, count).reshape({count, heads, spec.head_dim}).to(wide);
    };
    Tensor qs = rows(q, spec.q_offsets[s], q_count, spec.heads);
    Tensor ks = rows(k, spec.k_offsets[s], k_count, spec.kv_heads);
    Tensor vs = rows(v, spec.k_offsets[s], k_count, spec.kv_heads);
    if (spec.rope != nullptr) {
      qs = Rotate(qs, *spec.rope);
      ks = Rotate(ks, *spec.rope);
    }
    ks = ks.repeat_interleave(group, 1);
    vs = vs.repeat_interleave(group, 1);
    Tensor scores =
        torch::matmul(qs.transpose(0, 1) / std::sqrt(double(spec.head_dim)), ks.permute({1, 2, 0}));
    if (spec.causal) {
      // A bias of a large negative number instead of masked_fill, which is slow on a CPU.
      const Tensor ones = torch::ones({q_count, k_count}, scores.options());
      scores = scores + torch::triu(ones, 1) * -1e30;
    }
    const Tensor out = torch::matmul(torch::softmax(scores, -1), vs.transpose(0, 1));
    parts.push_back(out.transpose(0, 1).reshape({q_count, spec.heads * spec.head_dim}).to(type));
  }
  const int64_t tail = q.size(0) - spec.q_offsets.back();
  if (tail > 0) parts.push_back(torch::zeros({tail, spec.heads * spec.head_dim}, q.options()));
  return torch::cat(parts, 0);
}

}  // namespace mcv::trainer::composed
