#include "trainer/modules/ops.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "trainer/modules/cpu/row_kernels.h"

namespace mcv::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Work is cut into a fixed number of chunks, whatever the number of threads, and partial sums are
// added in chunk order: the bits of a gradient do not depend on the machine's load.
constexpr int64_t kChunks = 16;

template <class Body>  // Body(chunk, first row, rows)
void ForChunks(int64_t rows, const Body& body) {
  at::parallel_for(0, kChunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = rows * chunk / kChunks;
      const int64_t last = rows * (chunk + 1) / kChunks;
      if (last > first) body(chunk, first, last - first);
    }
  });
}

// Per-chunk sums of `columns` floats, and their total.
class PartialSums {
 public:
  explicit PartialSums(int64_t columns)
      : columns_(columns), parts_(torch::zeros({kChunks, columns}, at::kFloat)) {}
  float* part(int64_t chunk) { return MutableData<float>(parts_) + chunk * columns_; }
  Tensor Total() {
    float* sums = part(0);
    for (int64_t chunk = 1; chunk < kChunks; ++chunk) {
      const float* more = part(chunk);
      for (int64_t c = 0; c < columns_; ++c) sums[c] += more[c];
    }
    return parts_[0];
  }

 private:
  int64_t columns_;
  Tensor parts_;
};

// libtorch's bfloat16 and the kernels' are the same sixteen bits.
template <class T>
const T* Read(const Tensor& tensor) {
  return static_cast<const T*>(tensor.data_ptr());
}
template <class T>
T* Write(const Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

template <class T>
const TypedRowKernels<T>& Kernels();
template <>
const TypedRowKernels<float>& Kernels<float>() {
  return BestRowKernels().f32;
}
template <>
const TypedRowKernels<Bf16>& Kernels<Bf16>() {
  return BestRowKernels().bf16;
}

// Calls body with a null pointer of the C++ type that `type` stands for.
template <class Body>
void WithType(at::ScalarType type, const Body& body) {
  MCV_CHECK(type == at::kFloat || type == at::kBFloat16);
  if (type == at::kFloat) {
    body(static_cast<float*>(nullptr));
  } else {
    body(static_cast<Bf16*>(nullptr));
  }
}
#define MCV_TYPE_OF(tag) std::remove_pointer_t<decltype(tag)>

bool HasKernel(const Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// Function::apply refuses undefined tensors in libtorch 1.13; an empty one stands for "none".
const Tensor& NoTensor() {
  static const Tensor none = torch::empty({0});
  return none;
}
Tensor OrNone(const Tensor& t) { return t.defined() ? t : NoTensor(); }

struct LinearFunction : Function<LinearFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const Tensor& bias) {
    const Tensor w = weight.to(x.scalar_type());
    ctx->save_for_backward({x, w});
    ctx->saved_data["bias"] = bias.numel() > 0;
    ctx->saved_data["need_x"] = x.requires_grad();
    ctx->saved_data["need_w"] = weight.requires_grad();
    if (bias.numel() == 0) return at::mm(x, w.t());
    return at::addmm(bias.to(x.scalar_type()), x, w.t());
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    Tensor dx, dw, db;
    if (ctx->saved_data["need_x"].toBool()) dx = at::mm(dy, saved[1]);
    if (ctx->saved_data["need_w"].toBool()) {
      dw = at::mm(dy.t(), saved[0]).to(at::kFloat);
      if (ctx->saved_data["bias"].toBool()) {
        PartialSums sums(dy.size(1));
        WithType(dy.scalar_type(), [&](auto* tag) {
          using T = MCV_TYPE_OF(tag);
          const int64_t width = dy.size(1);
          ForChunks(dy.size(0), [&](int64_t chunk, int64_t first, int64_t rows) {
            Kernels<T>().column_sum(Read<T>(dy) + first * width, sums.part(chunk), rows, width);
          });
        });
        db = sums.Total();
      }
    }
    return {dx, dw, db};
  }
};

struct LayerNormFunction : Function<LayerNormFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x_in, const Tensor& weight,
                        const Tensor& bias, double eps, at::ScalarType type) {
    const Tensor x = x_in.contiguous();
    const int64_t rows = x.size(0), width = x.size(1);
    const Tensor y = torch::empty({rows, width}, x.options().dtype(type));
    const Tensor mean = torch::empty({rows}, x.options());
    const Tensor rstd = torch::empty({rows}, x.options());
    WithType(type, [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(rows, [&](int64_t, int64_t first, int64_t count) {
        Kernels<T>().layer_norm(Read<float>(x) + first * width, Read<float>(weight),
                                Read<float>(bias), Write<T>(y) + first * width,
                                Write<float>(mean) + first, Write<float>(rstd) + first, count,
                                width, static_cast<float>(eps));
      });
    });
    ctx->save_for_backward({x, weight, mean, rstd});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor& x = saved[0];
    const Tensor dy = grads[0].contiguous();
    const int64_t rows = x.size(0), width = x.size(1);
    const Tensor dx = torch::empty_like(x);
    PartialSums sums(2 * width);
    WithType(dy.scalar_type(), [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(rows, [&](int64_t chunk, int64_t first, int64_t count) {
        Kernels<T>().layer_norm_backward(
            Read<T>(dy) + first * width, Read<float>(x) + first * width, Read<float>(saved[1]),
            Read<float>(saved[2]) + first, Read<float>(saved[3]) + first,
            Write<float>(dx) + first * width, sums.part(chunk), sums.part(chunk) + width, count,
            width);
      });
    });
    const Tensor total = sums.Total();
    return {dx, total.narrow(0, 0, width), total.narrow(0, width, width), Tensor(), Tensor()};
  }
};

struct RmsNormFunction : Function<RmsNormFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x_in, const Tensor& weight, double eps,
                        at::ScalarType type) {
    const Tensor x = x_in.contiguous();
    const int64_t rows = x.size(0), width = x.size(1);
    const Tensor y = torch::empty({rows, width}, x.options().dtype(type));
    const Tensor rstd = torch::empty({rows}, x.options());
    WithType(type, [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(rows, [&](int64_t, int64_t first, int64_t count) {
        Kernels<T>().rms_norm(Read<float>(x) + first * width, Read<float>(weight),
                              Write<T>(y) + first * width, Write<float>(rstd) + first, count, width,
                              static_cast<float>(eps));
      });
    });
    ctx->save_for_backward({x, weight, rstd});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor& x = saved[0];
    const Tensor dy = grads[0].contiguous();
    const int64_t rows = x.size(0), width = x.size(1);
    const Tensor dx = torch::empty_like(x);
    PartialSums sums(width);
    WithType(dy.scalar_type(), [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(rows, [&](int64_t chunk, int64_t first, int64_t count) {
        Kernels<T>().rms_norm_backward(Read<T>(dy) + first * width, Read<float>(x) + first * width,
                                       Read<float>(saved[1]), Read<float>(saved[2]) + first,
                                       Write<float>(dx) + first * width, sums.part(chunk), count,
                                       width);
      });
    });
    return {dx, sums.Total(), Tensor(), Tensor()};
  }
};

struct BiasGeluFunction : Function<BiasGeluFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& u_in, const Tensor& bias) {
    const Tensor u = u_in.contiguous();
    const int64_t rows = u.size(0), width = u.size(1);
    const Tensor y = torch::empty_like(u);
    WithType(u.scalar_type(), [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(rows, [&](int64_t, int64_t first, int64_t count) {
        Kernels<T>().bias_gelu(Read<T>(u) + first * width, Read<float>(bias),
                               Write<T>(y) + first * width, count, width);
      });
    });
    ctx->save_for_backward({u, bias});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor& u = saved[0];
    const Tensor dy = grads[0].contiguous();
    const int64_t rows = u.size(0), width = u.size(1);
    const Tensor du = torch::empty_like(u);
    PartialSums sums(width);
    WithType(u.scalar_type(), [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(rows, [&](int64_t chunk, int64_t first, int64_t count) {
        Kernels<T>().bias_gelu_backward(Read<T>(dy) + first * width, Read<T>(u) + first * width,
                                        Read<float>(saved[1]), Write<T>(du) + first * width,
                                        sums.part(chunk), count, width);
      });
    });
    return {du, sums.Total()};
  }
};

struct SiluMulFunction : Function<SiluMulFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& gate_in, const Tensor& up_in) {
    const Tensor gate = gate_in.contiguous();
    const Tensor up = up_in.contiguous();
    const Tensor y = torch::empty_like(gate);
    WithType(gate.scalar_type(), [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(gate.numel(), [&](int64_t, int64_t first, int64_t count) {
        Kernels<T>().silu_mul(Read<T>(gate) + first, Read<T>(up) + first, Write<T>(y) + first,
                              count);
      });
    });
    ctx->save_for_backward({gate, up});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    const Tensor dgate = torch::empty_like(saved[0]);
    const Tensor dup = torch::empty_like(saved[1]);
    WithType(dy.scalar_type(), [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(dy.numel(), [&](int64_t, int64_t first, int64_t count) {
        Kernels<T>().silu_mul_backward(Read<T>(dy) + first, Read<T>(saved[0]) + first,
                                       Read<T>(saved[1]) + first, Write<T>(dgate) + first,
                                       Write<T>(dup) + first, count);
      });
    });
    return {dgate, dup};
  }
};

struct ResidualAddFunction : Function<ResidualAddFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x_in, const Tensor& y_in,
                        const Tensor& bias, double scale) {
    const Tensor x = x_in.contiguous();
    const Tensor y = y_in.contiguous();
    const int64_t rows = x.size(0), width = x.size(1);
    const Tensor out = torch::empty_like(x);
    const float* b = bias.numel() > 0 ? Read<float>(bias) : nullptr;
    WithType(y.scalar_type(), [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(rows, [&](int64_t, int64_t first, int64_t count) {
        Kernels<T>().residual_add(Read<float>(x) + first * width, Read<T>(y) + first * width, b,
                                  Write<float>(out) + first * width, static_cast<float>(scale),
                                  count, width);
      });
    });
    ctx->saved_data["bias"] = b != nullptr;
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["type"] = static_cast<int64_t>(y.scalar_type());
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Tensor dout = grads[0].contiguous();
    const int64_t rows = dout.size(0), width = dout.size(1);
    const bool has_bias = ctx->saved_data["bias"].toBool();
    const float scale = static_cast<float>(ctx->saved_data["scale"].toDouble());
    const auto type = static_cast<at::ScalarType>(ctx->saved_data["type"].toInt());
    const Tensor dy = torch::empty({rows, width}, dout.options().dtype(type));
    PartialSums sums(width);
    WithType(type, [&](auto* tag) {
      using T = MCV_TYPE_OF(tag);
      ForChunks(rows, [&](int64_t chunk, int64_t first, int64_t count) {
        Kernels<T>().residual_add_backward(
            Read<float>(dout) + first * width, Write<T>(dy) + first * width,
            has_bias ? sums.part(chunk) : nullptr, scale, count, width);
      });
    });
    return {dout, dy, has_bias ? sums.Total() : Tensor(), Tensor()};
  }
};

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

Tensor Linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (!HasKernel(x)) return composed::Linear(x, weight, bias);
  return LinearFunction::apply(x, weight, OrNone(bias));
}

Tensor LayerNorm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                 at::ScalarType out_type) {
  if (!HasKernel(x)) return composed::LayerNorm(x, weight, bias, eps, out_type);
  return LayerNormFunction::apply(x.to(at::kFloat), weight, bias, eps, out_type);
}

Tensor RmsNorm(const Tensor& x, const Tensor& weight, double eps, at::ScalarType out_type) {
  if (!HasKernel(x)) return composed::RmsNorm(x, weight, eps, out_type);
  return RmsNormFunction::apply(x.to(at::kFloat), weight, eps, out_type);
}

Tensor BiasGelu(const Tensor& u, const Tensor& bias) {
  return HasKernel(u) ? BiasGeluFunction::apply(u, bias) : composed::BiasGelu(u, bias);
}

Tensor SiluMul(const Tensor& gate, const Tensor& up) {
  return HasKernel(gate) ? SiluMulFunction::apply(gate, up) : composed::SiluMul(gate, up);
}

Tensor ResidualAdd(const Tensor& x, const Tensor& y, const Tensor& bias, double scale) {
  if (!HasKernel(x)) return composed::ResidualAdd(x, y, bias, scale);
  return ResidualAddFunction::apply(x, y, OrNone(bias), scale);
}

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
