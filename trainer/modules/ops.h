// The differentiable operations that the modules are made of, and the precision policy.
//
// Parameters are fp32 masters. An activation's own type decides how a matrix product runs: give
// Linear a bf16 tensor and it multiplies in bf16, give it fp32 and it multiplies in fp32. Norms,
// softmax statistics, residual sums and losses are fp32 in both cases ("fp32 islands"): bf16 norms
// are slow and inexact, and a bf16 residual stream loses small updates when training starts from
// nothing.
//
// On a CPU each operation is one hand-written pass (cpu/row_kernels.h) with its own backward. On
// other devices, and for tensors of type double, it is composed of libtorch's own operations; the
// tests hold both against each other.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/compat.h"

namespace mcv::trainer {

// y = x w^T + bias. x [rows, in] fp32 or bf16; w [out, in] and bias [out] fp32 (bias may be
// undefined). The result has x's type.
Tensor Linear(const Tensor& x, const Tensor& weight, const Tensor& bias = Tensor());

// Norms read fp32 [rows, width] and write `out_type`.
Tensor LayerNorm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                 at::ScalarType out_type);
Tensor RmsNorm(const Tensor& x, const Tensor& weight, double eps, at::ScalarType out_type);

// gelu_tanh(u + bias), in u's type.
Tensor BiasGelu(const Tensor& u, const Tensor& bias);
// silu(gate) * up, in their type.
Tensor SiluMul(const Tensor& gate, const Tensor& up);
// x + scale * (y + bias), fp32; y in either type, bias may be undefined.
Tensor ResidualAdd(const Tensor& x, const Tensor& y, const Tensor& bias = Tensor(),
                   double scale = 1.0);

// Half-rotation rotary tables [length, head_dim / 2], fp32.
struct RopeTables {
  Tensor cosine;
  Tensor sine;
};
RopeTables MakeRopeTables(int64_t length, int64_t head_dim, double theta);

// Attention over rows of several sequences laid one after the other, no padding in between.
struct AttentionSpec {
  // segments + 1 ascending row numbers each; segment s owns rows [offsets[s], offsets[s + 1]).
  std::vector<int64_t> q_offsets;
  std::vector<int64_t> k_offsets;
  int64_t heads = 1;
  int64_t kv_heads = 1;
  int64_t head_dim = 1;
  bool causal = false;               // needs q_offsets == k_offsets
  const RopeTables* rope = nullptr;  // rotate q and k by their row within the segment
};
// q [q rows, heads * dim], k and v [k rows, kv_heads * dim]; softmax(q k^T / sqrt(dim)) v in q's
// type. Rows behind the last segment (padding that keeps shapes few) give zeros and get no
// gradient.
Tensor Attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec);

// The same operations composed of libtorch's own; any device, any floating type.
namespace composed {
Tensor Linear(const Tensor& x, const Tensor& weight, const Tensor& bias);
Tensor LayerNorm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                 at::ScalarType out_type);
Tensor RmsNorm(const Tensor& x, const Tensor& weight, double eps, at::ScalarType out_type);
Tensor BiasGelu(const Tensor& u, const Tensor& bias);
Tensor SiluMul(const Tensor& gate, const Tensor& up);
Tensor ResidualAdd(const Tensor& x, const Tensor& y, const Tensor& bias, double scale);
Tensor Attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec);
}  // namespace composed

}  // namespace mcv::trainer
