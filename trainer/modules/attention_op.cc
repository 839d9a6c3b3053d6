// Attention over several sequences as one differentiable operation.
#include <algorithm>
#include <cmath>
#include <vector>

#include "trainer/modules/ops.h"
#include "trainer/modules/typed_kernels.h"

namespace mcv::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

int64_t Longest(const std::vector<int64_t>& offsets) {
  int64_t longest = 0;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    longest = std::max(longest, offsets[s + 1] - offsets[s]);
  }
  return longest;
}

// Rows may be wider than they are used (a slice of a joint projection), but must be dense inside.
Tensor DenseRows(const Tensor& t) { return t.stride(1) == 1 ? t : t.contiguous(); }

AttentionShape MakeShape(const AttentionSpec& spec, const Tensor& q, const Tensor& k,
                         const Tensor& v, const Tensor& cosine, const Tensor& sine) {
  AttentionShape shape;
  shape.segments = static_cast<int64_t>(spec.q_offsets.size()) - 1;
  shape.q_offsets = spec.q_offsets.data();
  shape.k_offsets = spec.k_offsets.data();
  shape.heads = spec.heads;
  shape.kv_heads = spec.kv_heads;
  shape.head_dim = spec.head_dim;
  shape.q_stride = q.stride(0);
  shape.k_stride = k.stride(0);
  shape.v_stride = v.stride(0);
  shape.o_stride = spec.heads * spec.head_dim;
  shape.scale = 1.0f / std::sqrt(static_cast<float>(spec.head_dim));
  shape.causal = spec.causal;
  if (cosine.numel() > 0) {
    shape.rope_cos = Read<float>(cosine);
    shape.rope_sin = Read<float>(sine);
  }
  return shape;
}

template <class Body>  // Body(first item, last item, scratch)
void ForItems(int64_t items, int64_t scratch_floats, const Body& body) {
  at::parallel_for(0, kChunks, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(scratch_floats));
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      body(items * chunk / kChunks, items * (chunk + 1) / kChunks, scratch.data());
    }
  });
}

void ZeroRowsFrom(const Tensor& t, int64_t first) {
  if (first < t.size(0)) t.narrow(0, first, t.size(0) - first).zero_();
}

struct AttentionFunction : Function<AttentionFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& q_in, const Tensor& k_in,
                        const Tensor& v_in, const Tensor& cosine, const Tensor& sine,
                        const AttentionSpec& spec) {
    const Tensor q = DenseRows(q_in), k = DenseRows(k_in), v = DenseRows(v_in);
    const Tensor o = torch::empty({q.size(0), spec.heads * spec.head_dim}, q.options());
    const Tensor lse = torch::empty({q.size(0), spec.heads}, q.options().dtype(at::kFloat));
    const AttentionShape shape = MakeShape(spec, q, k, v, cosine, sine);
    const int64_t scratch =
        AttentionScratchFloats(Longest(spec.q_offsets), Longest(spec.k_offsets), spec.head_dim);
    WithType(q.scalar_type(), [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      const AttentionForwardArgs<T> args{shape,      Read<T>(q),  Read<T>(k),
                                         Read<T>(v), Write<T>(o), Write<float>(lse)};
      ForItems(shape.segments * shape.heads, scratch, [&](int64_t first, int64_t last, float* s) {
        Kernels<T>().attention(args, first, last, s);
      });
    });
    ZeroRowsFrom(o, spec.q_offsets.back());
    ctx->save_for_backward({q, k, v, lse, cosine, sine});
    ctx->saved_data["q_offsets"] = spec.q_offsets;
    ctx->saved_data["k_offsets"] = spec.k_offsets;
    ctx->saved_data["shape"] =
        std::vector<int64_t>{spec.heads, spec.kv_heads, spec.head_dim, spec.causal ? 1 : 0};
    return o;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &v = saved[2];
    const Tensor d_o = grads[0].contiguous();
    AttentionSpec spec;
    spec.q_offsets = ctx->saved_data["q_offsets"].toIntVector();
    spec.k_offsets = ctx->saved_data["k_offsets"].toIntVector();
    const std::vector<int64_t> sizes = ctx->saved_data["shape"].toIntVector();
    spec.heads = sizes[0];
    spec.kv_heads = sizes[1];
    spec.head_dim = sizes[2];
    spec.causal = sizes[3] != 0;
    const Tensor dq = torch::empty({q.size(0), spec.heads * spec.head_dim}, q.options());
    const Tensor dk = torch::empty({k.size(0), spec.kv_heads * spec.head_dim}, q.options());
    const Tensor dv = torch::empty({k.size(0), spec.kv_heads * spec.head_dim}, q.options());
    const AttentionShape shape = MakeShape(spec, q, k, v, saved[4], saved[5]);
    const int64_t scratch =
        AttentionScratchFloats(Longest(spec.q_offsets), Longest(spec.k_offsets), spec.head_dim);
    WithType(q.scalar_type(), [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      const AttentionBackwardArgs<T> args{shape,        Read<T>(q),   Read<T>(k),
                                          Read<T>(v),   Read<T>(d_o), Read<float>(saved[3]),
                                          Write<T>(dq), Write<T>(dk), Write<T>(dv)};
      ForItems(shape.segments * shape.kv_heads, scratch,
               [&](int64_t first, int64_t last, float* s) {
                 Kernels<T>().attention_backward(args, first, last, s);
               });
    });
    ZeroRowsFrom(dq, spec.q_offsets.back());
    ZeroRowsFrom(dk, spec.k_offsets.back());
    ZeroRowsFrom(dv, spec.k_offsets.back());
    return {dq, dk, dv, Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

RopeTables MakeRopeTables(int64_t length, int64_t head_dim, double theta) {
  const int64_t half = head_dim / 2;
  const Tensor exponent = torch::arange(half, at::kDouble) * (2.0 / double(head_dim));
  const Tensor frequency = torch::pow(torch::full({half}, theta, at::kDouble), -exponent);
  const Tensor angle = torch::arange(length, at::kDouble).unsqueeze(1) * frequency;
  return {angle.cos().to(at::kFloat), angle.sin().to(at::kFloat)};
}

Tensor Attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec) {
  MCV_CHECK(spec.q_offsets.size() == spec.k_offsets.size() && spec.q_offsets.size() >= 2);
  MCV_CHECK(spec.heads % spec.kv_heads == 0);
  if (!HasKernel(q)) return composed::Attention(q, k, v, spec);
  const bool rotate = spec.rope != nullptr;
  return AttentionFunction::apply(q, k, v, rotate ? spec.rope->cosine : NoTensor(),
                                  rotate ? spec.rope->sine : NoTensor(), spec);
}

}  // namespace mcv::trainer
