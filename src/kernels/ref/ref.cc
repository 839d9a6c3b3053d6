// The oracle: plain loops with sums in double. It says what every faster kernel must compute, and
// it is what a newcomer should read first. Runs on any machine.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "formats/quant/quant.h"
#include "kernels/table.h"

namespace mcv {
namespace {

bool RunsAnywhere() { return true; }

void LayerNormRow(const float* x, const float* weight, const float* bias, float eps, int64_t n,
                  float* y) {
  double mean = 0;
  for (int64_t i = 0; i < n; ++i) mean += x[i];
  mean /= static_cast<double>(n);
  double variance = 0;
  for (int64_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
  variance /= static_cast<double>(n);
  const double inverse = 1.0 / std::sqrt(variance + eps);
  for (int64_t i = 0; i < n; ++i) {
    y[i] = static_cast<float>((x[i] - mean) * inverse * weight[i] + (bias ? bias[i] : 0.0f));
  }
}

void RmsNormRow(const float* x, const float* weight, float eps, int64_t n, float* y) {
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
  const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(n) + eps);
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i] * inverse * weight[i]);
}

void RopeHead(float* x, int64_t half, const float* cos, const float* sin, RopeStyle style) {
  for (int64_t i = 0; i < half; ++i) {
    const int64_t first = style == RopeStyle::kHalves ? i : 2 * i;
    const int64_t second = style == RopeStyle::kHalves ? i + half : 2 * i + 1;
    const float a = x[first];
    const float b = x[second];
    x[first] = a * cos[i] - b * sin[i];
    x[second] = b * cos[i] + a * sin[i];
  }
}

double Activate(Activation activation, double v) {
  switch (activation) {
    case Activation::kNone:
      return v;
    case Activation::kGeluTanh:
      return 0.5 * v * (1.0 + std::tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
    case Activation::kGeluErf:
      return 0.5 * v * (1.0 + std::erf(v * 0.7071067811865476));
    case Activation::kSilu:
      return v / (1.0 + std::exp(-v));
  }
  return v;
}

void ApplyEpilogue(const EpilogueBlock& block) {
  const Epilogue& e = block.epilogue;
  for (int64_t t = 0; t < block.tokens; ++t) {
    float* y = block.y + t * block.y_stride;
    for (int64_t j = 0; j < block.columns; ++j) {
      double v = block.c[t * block.ldc + j];
      if (e.bias != nullptr) v += e.bias[j];
      v = Activate(e.activation, v) * e.scale;
      y[j] = static_cast<float>(e.accumulate ? y[j] + v : v);
    }
  }
}

void SwiGluRow(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) {
    y[i] = static_cast<float>(Activate(Activation::kSilu, gate[i]) * up[i]);
  }
}

void AddScaledRow(const float* x, float scale, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

void ScaleRow(float* x, float scale, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] *= scale;
}

void LoadRow(DType type, const std::byte* row, int64_t n, float* out) {
  DequantizeRow(type, row, {out, static_cast<size_t>(n)});
}

void StoreRow(const float* x, int64_t n, DType type, std::byte* out) {
  if (type == DType::kF32) {
    std::memcpy(out, x, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  if (type == DType::kQ8_0) return QuantizeRow(type, {x, static_cast<size_t>(n)}, out);
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t bits = type == DType::kF16 ? FloatToHalf(x[i]) : FloatToBf16(x[i]);
    std::memcpy(out + 2 * i, &bits, sizeof bits);
  }
}

float SoftmaxStep(float* s, int64_t n, float scale, float* max, float* sum) {
  const float new_max = std::max(*max, *std::max_element(s, s + n));
  const float rescale = std::exp(scale * (*max - new_max));
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    s[i] = static_cast<float>(std::exp(static_cast<double>(scale) * (s[i] - new_max)));
    total += s[i];
  }
  *sum = static_cast<float>(*sum * rescale + total);
  *max = new_max;
  return rescale;
}

// Raw scores of every row and key, [rows, num_keys].
std::vector<float> Scores(const AttendArgs& args) {
  std::vector<float> scores(static_cast<size_t>(args.rows * args.num_keys));
  std::vector<float> key(static_cast<size_t>(args.head_dim));
  for (int64_t s = 0; s < args.num_keys; ++s) {
    LoadRow(args.keys.type, args.keys.data + s * args.keys.row_bytes, args.head_dim, key.data());
    for (int64_t r = 0; r < args.rows; ++r) {
      double dot = 0;
      for (int64_t i = 0; i < args.head_dim; ++i) {
        dot += static_cast<double>(args.q[r * args.head_dim + i]) * key[static_cast<size_t>(i)];
      }
      scores[static_cast<size_t>(r * args.num_keys + s)] = static_cast<float>(dot);
    }
  }
  return scores;
}

void AttendPlain(const AttendArgs& args) {
  std::vector<float> weights = Scores(args);
  std::vector<float> value(static_cast<size_t>(args.head_dim));
  std::vector<double> mixed(value.size());
  for (int64_t r = 0; r < args.rows; ++r) {
    float* p = weights.data() + r * args.num_keys;
    args.max[r] = -INFINITY;
    args.sum[r] = 0;
    SoftmaxStep(p, args.num_keys, args.scale, args.max + r, args.sum + r);
    std::fill(mixed.begin(), mixed.end(), 0.0);
    for (int64_t s = 0; s < args.num_keys; ++s) {
      LoadRow(args.values.type, args.values.data + s * args.values.row_bytes, args.head_dim,
              value.data());
      for (size_t i = 0; i < mixed.size(); ++i) mixed[i] += static_cast<double>(p[s]) * value[i];
    }
    for (size_t i = 0; i < mixed.size(); ++i) {
      args.out[r * args.head_dim + static_cast<int64_t>(i)] = static_cast<float>(mixed[i]);
    }
  }
}

int64_t FloatBytes(int64_t k) { return k * static_cast<int64_t>(sizeof(float)); }

void CopyToken(const float* x, int64_t k, std::byte* packed) {
  std::memcpy(packed, x, static_cast<size_t>(FloatBytes(k)));
}

void DotRows(const DotKernel::Args& args) {
  std::vector<float> row(static_cast<size_t>(args.k));
  for (int64_t r = 0; r < args.rows; ++r) {
    LoadRow(args.type, args.weights + r * args.row_bytes, args.k, row.data());
    for (int64_t t = 0; t < args.num_tokens; ++t) {
      const auto* x = reinterpret_cast<const float*>(args.tokens + t * args.token_bytes);
      double sum = 0;
      for (int64_t i = 0; i < args.k; ++i) {
        sum += static_cast<double>(x[i]) * row[static_cast<size_t>(i)];
      }
      args.out[t * args.out_stride + r] = static_cast<float>(sum);
    }
  }
}

// To int8 and back, with one scale per 256 elements.
void RoundToInt8(float* x, int64_t k) {
  constexpr int64_t kBlock = 256;
  for (int64_t i = 0; i < k; i += kBlock) {
    const int64_t end = std::min(i + kBlock, k);
    // What is no number makes its block none: rounded, it would pass as a zero.
    float largest = 0;
    for (int64_t j = i; j < end; ++j) {
      largest = std::isfinite(x[j]) ? std::max(largest, std::abs(x[j])) : NAN;
      if (std::isnan(largest)) break;
    }
    const float inverse = largest > 0x1p-100f ? 127.0f / largest : 0.0f;
    for (int64_t j = i; j < end; ++j) x[j] = std::nearbyint(x[j] * inverse) * (largest / 127.0f);
  }
}

void CopyTokenAsInt8(const float* x, int64_t k, std::byte* packed) {
  CopyToken(x, k, packed);
  RoundToInt8(reinterpret_cast<float*>(packed), k);
}

// What Numerics::kInt8 means.
void DotRowsAsInt8(const DotKernel::Args& args) {
  std::vector<float> row(static_cast<size_t>(args.k));
  DotKernel::Args one = args;
  one.type = DType::kF32;
  one.weights = reinterpret_cast<const std::byte*>(row.data());
  one.rows = 1;
  for (int64_t r = 0; r < args.rows; ++r, ++one.out) {
    LoadRow(args.type, args.weights + r * args.row_bytes, args.k, row.data());
    RoundToInt8(row.data(), args.k);
    DotRows(one);
  }
}

const DotKernel* PlainDot(DType type, Numerics numerics) {
  static constexpr DotKernel kernel = {
      .max_tokens = INT64_MAX,
      .packed_bytes = FloatBytes,
      .pack_token = CopyToken,
      .rows = DotRows,
  };
  static constexpr DotKernel int8 = {
      .max_tokens = INT64_MAX,
      .packed_bytes = FloatBytes,
      .pack_token = CopyTokenAsInt8,
      .rows = DotRowsAsInt8,
  };
  const bool rounds =
      numerics == Numerics::kInt8 && (!Traits(type).quantised || type == DType::kQ8_0);
  return rounds ? &int8 : &kernel;
}

const PanelKernel* NoPanel(DType, Numerics) { return nullptr; }

}  // namespace

const KernelTable& RefTable() {
  static constexpr KernelTable table = {
      .name = "ref",
      .runs_here = RunsAnywhere,
      .layer_norm = LayerNormRow,
      .rms_norm = RmsNormRow,
      .rope = RopeHead,
      .epilogue = ApplyEpilogue,
      .swiglu = SwiGluRow,
      .add_scaled = AddScaledRow,
      .scale = ScaleRow,
      .load_row = LoadRow,
      .store_row = StoreRow,
      .softmax_step = SoftmaxStep,
      .attend = AttendPlain,
      .dot = PlainDot,
      .panel = NoPanel,
      .attention = NoPanel,
  };
  return table;
}

}  // namespace mcv
