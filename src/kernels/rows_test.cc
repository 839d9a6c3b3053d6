// Norms, rope, conversions and lookups of every target against plain arithmetic.
#include <cstring>

#include "base/half.h"
#include "kernels/kernel_test_support.h"
#include "kernels/table.h"

namespace mcv {
namespace {

class RowsTest : public ::testing::TestWithParam<std::string> {
 protected:
  ThreadPool pool_{2};
  Context ctx_ = MakeContext(pool_, GetParam(), Numerics::kExact);
};

constexpr int64_t kWidths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 72, 1152};

TEST_P(RowsTest, NormsAlsoInPlace) {
  for (int64_t n : kWidths) {
    const int64_t rows = 3;
    const std::vector<float> x = RandomFloats(rows * n, 1, 2.0);
    const std::vector<float> w = RandomFloats(n, 2), b = RandomFloats(n, 3);
    GuardedMatrix layer(rows, n, n + 4), rms(rows, n, n + 1);
    LayerNorm({x.data(), rows, n}, w.data(), b.data(), 1e-6f, layer.view(), ctx_);
    RmsNorm({x.data(), rows, n}, w.data(), 1e-5f, rms.view(), ctx_);
    layer.ExpectOnlyMatrixWritten();
    rms.ExpectOnlyMatrixWritten();
    std::vector<float> in_place = x;
    LayerNorm({in_place.data(), rows, n}, w.data(), b.data(), 1e-6f, {in_place.data(), rows, n},
              ctx_);
    for (int64_t r = 0; r < rows; ++r) {
      const float* row = x.data() + r * n;
      double mean = 0, variance = 0, squares = 0;
      for (int64_t i = 0; i < n; ++i) mean += row[i] / static_cast<double>(n);
      for (int64_t i = 0; i < n; ++i) {
        variance += (row[i] - mean) * (row[i] - mean) / static_cast<double>(n);
        squares += static_cast<double>(row[i]) * row[i] / static_cast<double>(n);
      }
      for (int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<size_t>(i);
        const double want = (row[i] - mean) / std::sqrt(variance + 1e-6) * w[at] + b[at];
        ASSERT_NEAR(layer.view().Row(r)[i], want, 1e-5) << "n=" << n;
        ASSERT_EQ(in_place[static_cast<size_t>(r * n + i)], layer.view().Row(r)[i]);
        ASSERT_NEAR(rms.view().Row(r)[i], row[i] / std::sqrt(squares + 1e-5) * w[at], 1e-5);
      }
    }
  }
}

TEST_P(RowsTest, RopeTurnsPairs) {
  for (int half : {1, 4, 16, 32, 36, 64}) {
    const int heads = 3, tokens = 2, d = 2 * half;
    const std::vector<float> x = RandomFloats(tokens * heads * d, 1);
    const std::vector<float> angle = RandomFloats(tokens * half, 2);
    std::vector<float> c(angle.size()), s(angle.size());
    for (size_t i = 0; i < angle.size(); ++i) c[i] = std::cos(angle[i]), s[i] = std::sin(angle[i]);
    for (RopeStyle style : {RopeStyle::kHalves, RopeStyle::kAdjacent}) {
      std::vector<float> y = x;
      Rope({y.data(), tokens, heads * d}, heads, d,
           {{c.data(), tokens, half}, {s.data(), tokens, half}}, style, ctx_);
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t h = 0; h < heads; ++h) {
          for (int64_t i = 0; i < half; ++i) {
            const bool halves = style == RopeStyle::kHalves;
            const auto base = t * heads * d + h * d;
            const auto first = static_cast<size_t>(base + (halves ? i : 2 * i));
            const auto second = static_cast<size_t>(base + (halves ? i + half : 2 * i + 1));
            const auto a = static_cast<size_t>(t * half + i);
            ASSERT_NEAR(y[first], x[first] * c[a] - x[second] * s[a], 1e-6);
            ASSERT_NEAR(y[second], x[second] * c[a] + x[first] * s[a], 1e-6);
          }
        }
      }
    }
  }
}

TEST_P(RowsTest, StoresAndLoadsBitExactly) {
  std::vector<float> x = RandomFloats(1152, 4, 10.0);
  const float special[] = {0.0f,   -0.0f,    1e-8f,  6e-8f,          65504.0f,    70000.0f,
                           -1e30f, INFINITY, 1e-40f, 1.00048828125f, 1.00390625f, 1.01171875f};
  std::copy(std::begin(special), std::end(special), x.begin());
  for (int64_t n : kWidths) {
    for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
      const auto bytes = static_cast<size_t>(*RowBytes(type, static_cast<uint64_t>(n)));
      std::vector<std::byte> out(2 * bytes + 1, std::byte{0xee});
      StoreKv({x.data(), 1, n}, static_cast<int>(n), 0, {type, out.data() + 1}, ctx_);
      EXPECT_EQ(out[bytes + 1], std::byte{0xee});
      std::vector<float> back(static_cast<size_t>(n));
      ctx_.table->load_row(type, out.data() + 1, n, back.data());
      for (int64_t i = 0; i < n; ++i) {
        const float v = x[static_cast<size_t>(i)];
        const float want = type == DType::kF32   ? v
                           : type == DType::kF16 ? HalfToFloat(FloatToHalf(v))
                                                 : Bf16ToFloat(FloatToBf16(v));
        ASSERT_EQ(back[static_cast<size_t>(i)], want) << Traits(type).name << " of " << v;
      }
    }
  }
}

// Blocks of ordinary values, of zeros, of values whose scale no half can hold, and quotients that
// lie on a half: the scale of 127 is 1.
TEST_P(RowsTest, StoresQ8AsTheReferenceDoes) {
  const int64_t heads = 3, head_dim = 96, tokens = 5, cols = heads * head_dim;
  std::vector<float> x = RandomFloats(tokens * cols, 6, 3.0);
  std::fill(x.begin(), x.begin() + 32, 0.0f);
  for (size_t i = 32; i < 64; ++i) x[i] *= 1e-30f;
  for (size_t i = 64; i < 96; ++i) x[i] = (static_cast<float>(i) - 80.0f) * 1e-40f;
  for (size_t i = 96; i < 128; ++i) x[i] *= 1e30f;
  for (size_t i = 128; i < 160; ++i) x[i] = static_cast<float>(i) - 144.5f;
  x[140] = -127.0f;
  for (size_t i = 160; i < 192; ++i) x[i] = 0.5f + 1e-7f * (static_cast<float>(i) - 176.0f);
  x[170] = 127.0f;
  const auto bytes = static_cast<int64_t>(*RowBytes(DType::kQ8_0, static_cast<uint64_t>(head_dim)));
  const int64_t head_bytes = tokens * bytes + 3;
  std::vector<std::byte> out(static_cast<size_t>(heads * head_bytes), std::byte{0xee});
  StoreKv({x.data(), tokens, cols}, static_cast<int>(head_dim), 0,
          {DType::kQ8_0, out.data(), bytes, head_bytes}, ctx_);
  std::vector<std::byte> want(out.size(), std::byte{0xee});
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      QuantizeRow(DType::kQ8_0, {x.data() + t * cols + h * head_dim, static_cast<size_t>(head_dim)},
                  want.data() + h * head_bytes + t * bytes);
    }
  }
  EXPECT_EQ(out, want);
}

TEST_P(RowsTest, EmbedIsExactDequantisation) {
  const int32_t ids[] = {3, 0, 3, 6};
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_K,
                     DType::kQ5_K, DType::kQ6_K, DType::kQ3_K, DType::kQ4_0, DType::kQ4_1,
                     DType::kQ5_0, DType::kQ5_1, DType::kIQ4_NL}) {
    const int64_t k = 512;
    const TestWeight table = MakeWeight(type, 7, k, 11);
    for (float scale : {1.0f, 12.0f}) {
      GuardedMatrix y(4, k, k + 1);
      EmbedRows(table.view, ids, scale, y.view(), ctx_);
      y.ExpectOnlyMatrixWritten();
      for (int64_t r = 0; r < 4; ++r) {
        for (int64_t i = 0; i < k; ++i) {
          ASSERT_EQ(y.view().Row(r)[i], scale * table.values[static_cast<size_t>(ids[r] * k + i)])
              << Traits(type).name;
        }
      }
    }
  }
}

TEST_P(RowsTest, AddScaled) {
  for (int64_t n : kWidths) {
    const std::vector<float> x = RandomFloats(2 * n, 1);
    std::vector<float> y = RandomFloats(2 * n, 2);
    const std::vector<float> before = y;
    AddScaled({x.data(), 2, n}, 0.221f, {y.data(), 2, n}, ctx_);
    for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], before[i] + 0.221 * x[i], 1e-6);
  }
}

// exp and the activations over their whole range, through the table.
TEST_P(RowsTest, ActivationAccuracy) {
  std::vector<float> x;
  for (double v = -90; v < 90; v += 0.0137) x.push_back(static_cast<float>(v));
  for (double v = -6; v < 6; v += 0.0011) x.push_back(static_cast<float>(v));
  const auto n = static_cast<int64_t>(x.size());
  const std::vector<float> ones(x.size(), 1.0f);
  std::vector<float> y(x.size());
  ctx_.table->swiglu(x.data(), ones.data(), n, y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = x[i] / (1 + std::exp(-static_cast<double>(x[i])));
    ASSERT_NEAR(y[i], want, 1e-6 * std::fabs(want) + 1e-30) << "silu of " << x[i];
  }
  for (Activation a : {Activation::kGeluTanh, Activation::kGeluErf}) {
    ctx_.table->epilogue({x.data(), n, 1, n, {.activation = a}, y.data(), n});
    for (size_t i = 0; i < x.size(); ++i) {
      const double v = x[i];
      const double want =
          a == Activation::kGeluErf
              ? 0.5 * v * std::erfc(-v / std::sqrt(2.0))
              : v / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
      ASSERT_NEAR(y[i], want, 1e-6 * std::fabs(want) + 4e-7) << "gelu of " << v;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RowsTest, ::testing::ValuesIn(TargetNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace mcv
