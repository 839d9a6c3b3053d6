// What the kernel tests share: guarded buffers, random matrices, and the named tolerances.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "formats/quant/quant.h"
#include "kernels/kernels.h"
#include "tests/support/rounding.h"

namespace mcv {

// A float matrix with poison inside and guards around, so that what was not written and what was
// written too far both show.
class GuardedMatrix {
 public:
  GuardedMatrix(int64_t rows, int64_t cols, int64_t stride)
      : rows_(rows), cols_(cols), stride_(stride) {
    data_.assign(static_cast<size_t>(2 * kGuard + rows * stride), kPoison());
  }
  MatView view() { return {data_.data() + kGuard, rows_, cols_, stride_}; }
  void ExpectOnlyMatrixWritten() const {
    for (size_t i = 0; i < data_.size(); ++i) {
      const int64_t at = static_cast<int64_t>(i) - kGuard;
      const bool inside = at >= 0 && at < rows_ * stride_ && at % stride_ < cols_;
      if (inside) {
        ASSERT_FALSE(std::isnan(data_[i]))
            << "not written: " << at / stride_ << "," << at % stride_;
      } else {
        ASSERT_TRUE(std::isnan(data_[i])) << "written outside at element " << at;
      }
    }
  }

 private:
  static constexpr int64_t kGuard = 64;
  static float kPoison() { return std::numeric_limits<float>::quiet_NaN(); }
  int64_t rows_, cols_, stride_;
  std::vector<float> data_;
};

inline std::vector<float> RandomFloats(int64_t count, uint64_t seed, double scale = 1.0) {
  RandomStream random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(scale * random.Normal());
  return values;
}

// Weights as a file has them, at an odd address.
struct TestWeight {
  std::vector<std::byte> bytes;
  std::vector<float> values;  // dequantised
  WeightView view;
};

inline TestWeight QuantizedWeight(DType type, int64_t rows, int64_t cols,
                                  const std::vector<float>& source) {
  TestWeight weight;
  const auto row_bytes = static_cast<size_t>(*RowBytes(type, static_cast<uint64_t>(cols)));
  weight.bytes.resize(row_bytes * static_cast<size_t>(rows) + 2);
  weight.values.resize(source.size());
  for (int64_t r = 0; r < rows; ++r) {
    const auto n = static_cast<size_t>(cols);
    std::byte* row = weight.bytes.data() + 2 + static_cast<size_t>(r) * row_bytes;
    QuantizeRow(type, {source.data() + r * cols, n}, row);
    DequantizeRow(type, row, {weight.values.data() + r * cols, n});
  }
  weight.view = {type, rows, cols, weight.bytes.data() + 2};
  return weight;
}

inline TestWeight MakeWeight(DType type, int64_t rows, int64_t cols, uint64_t seed) {
  return QuantizedWeight(type, rows, cols, RandomFloats(rows * cols, seed, 0.05));
}

inline Context MakeContext(ThreadPool& pool, std::string_view target, Numerics numerics) {
  Context ctx;
  ctx.pool = &pool;
  ctx.table = ChooseTarget(target).value();
  ctx.numerics = numerics;
  return ctx;
}

// How far a dot product of k terms may be off, given the norms of its operands.
struct DotOperands {
  double norm_x, norm_w;
  int64_t k;
};
// Exact kernels: fp32 rounding of k terms, which adds up like a random walk; 8 standard deviations.
inline double ExactTolerance(const DotOperands& o) { return 8 * 6e-8 * o.norm_x * o.norm_w + 1e-7; }
// Each operand is rounded once; errors are independent, so they add up to that share of |x| |w| /
// sqrt k; 6 standard deviations. 8 bits of a block's largest value: a Gaussian block of 256 reaches
// about 3.5 sigma, so steps of sigma / 36, rms error sigma / 125 for tokens and weights each.
inline double Int8Tolerance(const DotOperands& o) {
  return 6 * 0.012 * o.norm_x * o.norm_w / std::sqrt(static_cast<double>(o.k)) + 1e-6;
}
// Operands as the target's float products round them.
inline double FloatTolerance(std::string_view target, const DotOperands& o) {
  const auto k = static_cast<double>(o.k);
  const double share = std::sqrt(ProductNoiseSquared(FloatOperandNoise(target), k) / k);
  return 6 * share * o.norm_x * o.norm_w + ExactTolerance(o);
}
inline double DotTolerance(const Context& ctx, DType type, const DotOperands& o) {
  if (ctx.numerics == Numerics::kExact) return ExactTolerance(o);
  const bool floats = ctx.numerics == Numerics::kFast && !Traits(type).quantised;
  return floats ? FloatTolerance(TargetName(*ctx.table), o) : Int8Tolerance(o);
}

inline double Norm(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return std::sqrt(sum);
}

// Every target of this machine, for parameterised tests.
inline std::vector<std::string> TargetNames() {
  std::vector<std::string> names;
  for (std::string_view name : AvailableTargets()) names.emplace_back(name);
  return names;
}

}  // namespace mcv
