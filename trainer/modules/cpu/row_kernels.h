// The element-wise and attention kernels of the trainer on a CPU.
//
// Matrix products go to libtorch (oneDNN in bf16); what libtorch does slowly in between is done
// here in one pass each: norms that read fp32 and write bf16, the tanh GELU with its bias, SiLU
// times gate, the residual addition, and attention over rows of unequal segments. All arithmetic is
// fp32; only loads and stores are bf16. One set of functions is compiled per instruction set;
// `BestRowKernels` picks one set.
//
// Every function works on a half-open range of rows (or of segment-head pairs), so that the caller
// chooses how to spread the work over threads. Functions never allocate and keep no state.
#pragma once

#include <cstdint>

namespace mcv::trainer {

// A brain float as stored in memory: the upper half of an IEEE single.
struct Bf16 {
  uint16_t bits;
};

// Shapes of one attention call. Row r of q, k, v, o starts at pointer + r * its stride (in
// elements). Segment s owns query rows [q_offsets[s], q_offsets[s+1]) and key rows [k_offsets[s],
// k_offsets[s+1]).
struct AttentionShape {
  int64_t segments = 0;
  const int64_t* q_offsets = nullptr;  // segments + 1 entries
  const int64_t* k_offsets = nullptr;  // segments + 1 entries
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads; query head i reads key head i / (heads / kv_heads)
  int64_t head_dim = 0;
  int64_t q_stride = 0;
  int64_t k_stride = 0;
  int64_t v_stride = 0;
  int64_t o_stride = 0;
  float scale = 1.0f;
  bool causal = false;  // row i of a segment sees keys 0..i; needs equal query and key offsets
  // Rotary tables [longest segment, head_dim / 2]; null: no rotation. Halves are rotated (HF's
  // form).
  const float* rope_cos = nullptr;
  const float* rope_sin = nullptr;
};

// T is float or Bf16: the type of activations that feed matrix products.
template <class T>
struct AttentionForwardArgs {
  AttentionShape shape;
  const T* q = nullptr;
  const T* k = nullptr;
  const T* v = nullptr;
  T* o = nullptr;
  float* lse = nullptr;  // [query rows, heads]: log of the softmax denominator, kept for backward
};

// Gradients are contiguous: dq, d_o [rows, heads * head_dim], dk and dv [rows, kv_heads *
// head_dim].
template <class T>
struct AttentionBackwardArgs {
  AttentionShape shape;
  const T* q = nullptr;
  const T* k = nullptr;
  const T* v = nullptr;
  const T* d_o = nullptr;
  const float* lse = nullptr;
  T* dq = nullptr;
  T* dk = nullptr;
  T* dv = nullptr;
};

template <class T>
struct TypedRowKernels {
  // y = (x - mean) * rstd * w + b over `width`; mean and rstd [rows] are kept for backward.
  void (*layer_norm)(const float* x, const float* w, const float* b, T* y, float* mean, float* rstd,
                     int64_t rows, int64_t width, float eps);
  // dw and db are added to; dx is written.
  void (*layer_norm_backward)(const T* dy, const float* x, const float* w, const float* mean,
                              const float* rstd, float* dx, float* dw, float* db, int64_t rows,
                              int64_t width);
  // y = x * rstd * w with rstd = 1 / sqrt(mean(x^2) + eps).
  void (*rms_norm)(const float* x, const float* w, T* y, float* rstd, int64_t rows, int64_t width,
                   float eps);
  void (*rms_norm_backward)(const T* dy, const float* x, const float* w, const float* rstd,
                            float* dx, float* dw, int64_t rows, int64_t width);
  // y = gelu_tanh(u + bias).
  void (*bias_gelu)(const T* u, const float* bias, T* y, int64_t rows, int64_t width);
  void (*bias_gelu_backward)(const T* dy, const T* u, const float* bias, T* du, float* dbias,
                             int64_t rows, int64_t width);
  // y = silu(gate) * up over `count` elements.
  void (*silu_mul)(const T* gate, const T* up, T* y, int64_t count);
  void (*silu_mul_backward)(const T* dy, const T* gate, const T* up, T* dgate, T* dup,
                            int64_t count);
  // out = x + scale * (y + bias); bias may be null.
  void (*residual_add)(const float* x, const T* y, const float* bias, float* out, float scale,
                       int64_t rows, int64_t width);
  // dy = scale * dout; dbias (may be null) is added to.
  void (*residual_add_backward)(const float* dout, T* dy, float* dbias, float scale, int64_t rows,
                                int64_t width);
  // sums[c] += sum over rows of x[r][c].
  void (*column_sum)(const T* x, float* sums, int64_t rows, int64_t width);
  // Work items [begin, end) of shape.segments * shape.heads (forward) or shape.segments *
  // shape.kv_heads (backward); `scratch` holds attention_scratch(longest query, longest key, dim).
  void (*attention)(const AttentionForwardArgs<T>& args, int64_t begin, int64_t end,
                    float* scratch);
  void (*attention_backward)(const AttentionBackwardArgs<T>& args, int64_t begin, int64_t end,
                             float* scratch);
};

struct RowKernels {
  const char* name = "";
  TypedRowKernels<float> f32;
  TypedRowKernels<Bf16> bf16;
};

// Floats of scratch that one thread of an attention call needs.
int64_t AttentionScratchFloats(int64_t longest_query, int64_t longest_key, int64_t head_dim);

// The sets compiled in; the caller must not run one that its CPU lacks.
const RowKernels& BaseRowKernels();
#if defined(__x86_64__)
const RowKernels& Avx2RowKernels();
const RowKernels& Avx512RowKernels();
#endif
// The fastest set that this CPU can run; chosen once.
const RowKernels& BestRowKernels();

}  // namespace mcv::trainer
