#include "trainer/modules/ops.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "trainer/modules/typed_kernels.h"

namespace mcv::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

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
      // In fp32 from the start: a product of bf16 matrices is rounded to bf16 when it is stored,
      // and what the rows of one step add to a weight may be smaller than that.
      dw = at::mm(dy.t().to(at::kFloat), saved[0].to(at::kFloat));
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

}  // namespace mcv::trainer
