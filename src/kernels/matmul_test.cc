// Every target x numerics x weight type x shape against sums in double of the dequantised weights.
#include <cstring>
#include <numeric>
#include <span>
#include <utility>

#include "kernels/kernel_test_support.h"
#include "kernels/table.h"

namespace mcv {
namespace {

constexpr DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0,  DType::kQ4_1,
                            DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ2_K,  DType::kQ3_K,
                            DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL};

struct Shape {
  int64_t t, n, k;
};

// Shapes that a type can have: K in whole blocks.
std::vector<Shape> Shapes(DType type) {
  const int64_t block = Traits(type).block_elements;
  std::vector<Shape> shapes;
  const int64_t tokens[] = {1, 2, 3, 4, 5, 7, 11, 12, 13, 25, 37};
  const int64_t rows[] = {1, 3, 4, 15, 16, 17, 31, 32, 33, 70};
  const int64_t float_columns[] = {1, 2, 7, 8, 15, 17, 33, 72, 100, 257};
  size_t i = 0;
  for (int64_t t : tokens) {
    for (int64_t n : rows) {
      const int64_t k = block == 1 ? float_columns[i % std::size(float_columns)]
                                   : block * static_cast<int64_t>(1 + i % 3);
      ++i;
      shapes.push_back({t, n, k});
    }
  }
  // More than one block in the K direction of every kernel.
  const int64_t long_k = 6400 / block * block;
  for (int64_t t : {1, 3, 14}) shapes.push_back({t, 33, long_k});
  // Kernels that take eight blocks at a time have some left.
  if (block == 32) {
    for (int64_t t : {1, 2, 14}) shapes.push_back({t, 33, 19 * block});
  }
  return shapes;
}

struct Problem {
  TestWeight weight;
  int64_t x_stride = 0;
  std::vector<float> x;
  std::vector<double> want;  // [t, n]
  std::vector<double> norm_x, norm_w;
  // Equal values are off by the same, which does not cancel.
  bool equal_values = false;
};

Problem Solve(TestWeight weight, std::vector<float> x, int64_t x_stride, const Shape& shape) {
  const auto [t, n, k] = shape;
  Problem p;
  p.weight = std::move(weight);
  p.x_stride = x_stride;
  p.x = std::move(x);
  for (int64_t j = 0; j < n; ++j) p.norm_w.push_back(Norm(p.weight.values.data() + j * k, k));
  for (int64_t i = 0; i < t; ++i) {
    const float* row = p.x.data() + i * p.x_stride;
    p.norm_x.push_back(Norm(row, k));
    for (int64_t j = 0; j < n; ++j) {
      const float* w = p.weight.values.data() + j * k;
      double sum = 0;
      for (int64_t c = 0; c < k; ++c) sum += static_cast<double>(row[c]) * w[c];
      p.want.push_back(sum);
    }
  }
  return p;
}

Problem MakeProblem(DType type, const Shape& shape) {
  const auto [t, n, k] = shape;
  const auto seed = static_cast<uint64_t>(t * 1000003 + n * 1009 + k);
  const int64_t stride = k + 5;
  return Solve(MakeWeight(type, n, k, seed), RandomFloats(t * stride, seed + 1), stride, shape);
}

void CheckOne(const Problem& p, const Shape& shape, Context& ctx) {
  const auto [t, n, k] = shape;
  SCOPED_TRACE(std::string(TargetName(*ctx.table)) + " T=" + std::to_string(t) +
               " N=" + std::to_string(n) + " K=" + std::to_string(k) + " " +
               std::string(NumericsName(ctx.numerics)));
  GuardedMatrix y(t, n, n + 3);
  MatMul({p.x.data(), t, k, p.x_stride}, p.weight.view, {}, y.view(), ctx);
  y.ExpectOnlyMatrixWritten();
  for (int64_t i = 0; i < t; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const DotOperands operands = {p.norm_x[static_cast<size_t>(i)],
                                    p.norm_w[static_cast<size_t>(j)], k};
      const double tolerance = p.equal_values ? Int8Tolerance(operands)
                                              : DotTolerance(ctx, p.weight.view.type, operands);
      ASSERT_NEAR(y.view().Row(i)[j], p.want[static_cast<size_t>(i * n + j)], tolerance)
          << i << "," << j;
    }
  }
}

constexpr Numerics kAllNumerics[] = {Numerics::kExact, Numerics::kFast, Numerics::kInt8};

void CheckOnAllTargets(const Problem& problem, const Shape& shape, ThreadPool& pool,
                       std::span<const Numerics> all_numerics = kAllNumerics) {
  for (const std::string& target : TargetNames()) {
    for (Numerics numerics : all_numerics) {
      Context ctx = MakeContext(pool, target, numerics);
      CheckOne(problem, shape, ctx);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

class MatMulSweepTest : public ::testing::TestWithParam<DType> {};

TEST_P(MatMulSweepTest, AllTargetsAndShapes) {
  ThreadPool pool(2);
  for (const Shape& shape : Shapes(GetParam())) {
    CheckOnAllTargets(MakeProblem(GetParam(), shape), shape, pool);
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, MatMulSweepTest, ::testing::ValuesIn(kTypes),
                         [](const auto& info) { return std::string(Traits(info.param).name); });

// Quants and tokens at the ends of their ranges: what is added in 16 bits still fits. Not for exact
// sums: their bound is that of rounding errors with either sign.
TEST_P(MatMulSweepTest, LargestProductsFit) {
  ThreadPool pool(2);
  constexpr Numerics kRounding[] = {Numerics::kFast, Numerics::kInt8};
  const DType type = GetParam();
  const int64_t n = 17, k = Traits(type).block_elements == 256 ? 512 : 608;
  std::vector<float> source(static_cast<size_t>(n * k), 0.97f);
  for (size_t i = 0; i < source.size(); i += 32) source[i] = -1.0f;
  for (const int64_t t : {1, 3, 14}) {
    const Shape shape = {t, n, k};
    const std::vector<float> ones(static_cast<size_t>(t * k), 1.0f);
    Problem problem = Solve(QuantizedWeight(type, n, k, source), ones, k, shape);
    problem.equal_values = true;
    CheckOnAllTargets(problem, shape, pool, kRounding);
    if (HasFatalFailure()) return;
  }
}

// More tokens than one block of sums holds.
TEST(MatMulManyTokensTest, AllTargets) {
  ThreadPool pool(2);
  constexpr Shape kShape = {2200, 35, 40};
  CheckOnAllTargets(MakeProblem(DType::kF16, kShape), kShape, pool);
}

class MatMulTest : public ::testing::TestWithParam<std::string> {};

// The plain int8 of ref is what every target must give: the whole numbers are the same, so only
// fp32 sums of blocks may differ.
TEST_P(MatMulTest, Int8RoundsAsThePlainKernelDoes) {
  ThreadPool pool(2);
  Context ctx = MakeContext(pool, GetParam(), Numerics::kInt8);
  Context plain = MakeContext(pool, "ref", Numerics::kInt8);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0}) {
    for (const auto& [t, n, k] : {Shape{20, 33, 288}, Shape{37, 16, 1152}, Shape{64, 70, 32}}) {
      ASSERT_GT(t, ctx.table->panel(type, ctx.numerics) == nullptr
                       ? 0
                       : ctx.table->dot(type, ctx.numerics)->max_tokens);
      const TestWeight weight = MakeWeight(type, n, k, static_cast<uint64_t>(k));
      const std::vector<float> x = RandomFloats(t * k, 8);
      GuardedMatrix y(t, n, n + 3), want(t, n, n);
      MatMul({x.data(), t, k}, weight.view, {}, y.view(), ctx);
      MatMul({x.data(), t, k}, weight.view, {}, want.view(), plain);
      y.ExpectOnlyMatrixWritten();
      for (int64_t i = 0; i < t; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const double norms = Norm(x.data() + i * k, k) * Norm(weight.values.data() + j * k, k);
          ASSERT_NEAR(y.view().Row(i)[j], want.view().Row(i)[j], 1e-6 * norms)
              << Traits(type).name << " K=" << k << " at " << i << "," << j;
        }
      }
    }
  }
}

// Tokens that int8 blocks of 32 and of 256 can say exactly: then decode kernels may differ from the
// exact sum by fp32 rounding only, and a wrong scale, minimum or order of one block shows.
TEST_P(MatMulTest, FewTokensAreExactOnTheInt8Grid) {
  ThreadPool pool(2);
  Context ctx = MakeContext(pool, GetParam(), Numerics::kFast);
  const int64_t n = 9;
  for (DType type : kTypes) {
    // Not whole groups of eight blocks where blocks are short.
    const int64_t k = Traits(type).block_elements == 32 ? 1120 : 1024;
    const TestWeight weight = MakeWeight(type, n, k, 21);
    for (int64_t t : {1, 2, 3, 4, 6, 8}) {
      if (t > ctx.table->dot(type, ctx.numerics)->max_tokens) continue;  // panels round the weights
      RandomStream random(static_cast<uint64_t>(t));
      std::vector<float> x(static_cast<size_t>(t * k));
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = 0.25f * (i % 32 == 7 ? 127.0f : static_cast<float>(random.Below(255)) - 127.0f);
      }
      std::vector<float> y(static_cast<size_t>(t * n));
      MatMul({x.data(), t, k}, weight.view, {}, {y.data(), t, n}, ctx);
      for (int64_t i = 0; i < t * n; ++i) {
        const float* row = x.data() + i / n * k;
        const float* w = weight.values.data() + i % n * k;
        double want = 0;
        for (int64_t c = 0; c < k; ++c) want += static_cast<double>(row[c]) * w[c];
        ASSERT_NEAR(y[static_cast<size_t>(i)], want, 2e-6 * Norm(row, k) * Norm(w, k))
            << Traits(type).name << " T=" << t;
      }
    }
  }
}

TEST_P(MatMulTest, EpilogueDoesBiasActivationScaleAndAdds) {
  ThreadPool pool(2);
  Context ctx = MakeContext(pool, GetParam(), Numerics::kExact);
  const int64_t n = 45, k = 64;
  const TestWeight weight = MakeWeight(DType::kF32, n, k, 5);
  const std::vector<float> bias = RandomFloats(n, 6, 3.0);
  const Activation activations[] = {Activation::kNone, Activation::kGeluTanh, Activation::kGeluErf,
                                    Activation::kSilu};
  for (int64_t t : {1, 20}) {
    const std::vector<float> x = RandomFloats(t * k, 7, 3.0);
    for (Activation activation : activations) {
      for (bool accumulate : {false, true}) {
        std::vector<float> y = RandomFloats(t * n, 8);
        const std::vector<float> before = y;
        MatMul({x.data(), t, k}, weight.view, {bias.data(), activation, 0.7f, accumulate},
               {y.data(), t, n}, ctx);
        for (int64_t i = 0; i < t * n; ++i) {
          double v = bias[static_cast<size_t>(i % n)];
          for (int64_t c = 0; c < k; ++c) {
            v += static_cast<double>(x[static_cast<size_t>(i / n * k + c)]) *
                 weight.values[static_cast<size_t>(i % n * k + c)];
          }
          if (activation == Activation::kGeluTanh) {
            v = 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
          } else if (activation == Activation::kGeluErf) {
            v = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
          } else if (activation == Activation::kSilu) {
            v = v / (1 + std::exp(-v));
          }
          v *= 0.7;
          if (accumulate) v += before[static_cast<size_t>(i)];
          ASSERT_NEAR(y[static_cast<size_t>(i)], v, 4e-6)
              << "activation " << static_cast<int>(activation);
        }
      }
    }
  }
}

TEST_P(MatMulTest, ManyEqualsOneByOne) {
  ThreadPool pool(3);
  Context ctx = MakeContext(pool, GetParam(), Numerics::kFast);
  const int64_t k = 512;
  const TestWeight q = MakeWeight(DType::kQ4_K, 96, k, 1);
  const TestWeight kv = MakeWeight(DType::kQ6_K, 40, k, 2);
  const TestWeight f = MakeWeight(DType::kF16, 33, k, 3);
  for (int64_t t : {1, 40}) {
    const std::vector<float> x = RandomFloats(t * k, 4);
    std::vector<float> many(static_cast<size_t>(t * 169)), single(many.size());
    MatView a(many.data(), t, 169), b(single.data(), t, 169);
    const MatMulTask tasks[] = {
        {q.view, {}, a.Cols(0, 96)}, {kv.view, {}, a.Cols(96, 40)}, {f.view, {}, a.Cols(136, 33)}};
    MatMulMany({x.data(), t, k}, tasks, ctx);
    MatMul({x.data(), t, k}, q.view, {}, b.Cols(0, 96), ctx);
    MatMul({x.data(), t, k}, kv.view, {}, b.Cols(96, 40), ctx);
    MatMul({x.data(), t, k}, f.view, {}, b.Cols(136, 33), ctx);
    EXPECT_EQ(many, single) << "T=" << t;
  }
}

TEST_P(MatMulTest, SwiGluIsSiluOfGateTimesUp) {
  ThreadPool pool(2);
  for (Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
    Context ctx = MakeContext(pool, GetParam(), numerics);
    const int64_t k = 256, f = 77;
    const TestWeight gate = MakeWeight(DType::kQ4_K, f, k, 1);
    const TestWeight up = MakeWeight(DType::kQ6_K, f, k, 2);
    for (int64_t t : {1, 3, 29}) {
      const std::vector<float> x = RandomFloats(t * k, 3);
      std::vector<float> g(static_cast<size_t>(t * f)), u(g.size());
      GuardedMatrix y(t, f, f + 1);
      MatMul({x.data(), t, k}, gate.view, {nullptr, Activation::kSilu}, {g.data(), t, f}, ctx);
      MatMul({x.data(), t, k}, up.view, {}, {u.data(), t, f}, ctx);
      MatMulSwiGlu({x.data(), t, k}, gate.view, up.view, y.view(), ctx);
      y.ExpectOnlyMatrixWritten();
      for (int64_t i = 0; i < t; ++i) {
        for (int64_t j = 0; j < f; ++j) {
          const auto at = static_cast<size_t>(i * f + j);
          ASSERT_NEAR(y.view().Row(i)[j], g[at] * u[at], 1e-5 * (1 + std::fabs(g[at] * u[at])));
        }
      }
    }
  }
}

// The rows of a run are multiplied as if the run were alone, to the last bit, whatever the type and
// whoever else is there: what a conversation's answer may rely on.
TEST_P(MatMulTest, ARunDoesNotDependOnTheOthers) {
  const int64_t k = 512, n = 70;
  const std::vector<std::vector<int64_t>> passes = {{1, 1},
                                                    {1, 1, 1},
                                                    std::vector<int64_t>(8, 1),
                                                    std::vector<int64_t>(25, 1),
                                                    {1, 1, 3, 40},
                                                    {2, 5, 9, 20, 30},
                                                    {130},
                                                    {1, 250}};
  ThreadPool pool(2);
  for (const DType type : kTypes) {
    const TestWeight weight = MakeWeight(type, n, k, 9);
    for (const Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
      Context ctx = MakeContext(pool, GetParam(), numerics);
      for (const std::vector<int64_t>& runs : passes) {
        const int64_t t = std::accumulate(runs.begin(), runs.end(), int64_t{0});
        const std::vector<float> x = RandomFloats(t * k, 10);
        std::vector<float> together(static_cast<size_t>(t * n)), alone(together.size());
        ctx.runs = runs;
        MatMulSwiGlu({x.data(), t, k}, weight.view, weight.view, {together.data(), t, n}, ctx);
        ctx.runs = {};
        int64_t first = 0;
        for (const int64_t rows : runs) {
          MatMulSwiGlu({x.data() + first * k, rows, k}, weight.view, weight.view,
                       {alone.data() + first * n, rows, n}, ctx);
          first += rows;
        }
        EXPECT_EQ(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(float)), 0)
            << Traits(type).name << ", " << NumericsName(numerics) << ", " << t << " rows in "
            << runs.size() << " runs";
      }
    }
  }
}

// Rounding to whole numbers would make a zero of it.
TEST_P(MatMulTest, WhatIsNoNumberStaysNone) {
  const int64_t k = 512, n = 40;
  ThreadPool pool(1);
  for (const DType type : kTypes) {
    const TestWeight weight = MakeWeight(type, n, k, 9);
    for (const Numerics numerics : {Numerics::kExact, Numerics::kFast, Numerics::kInt8}) {
      Context ctx = MakeContext(pool, GetParam(), numerics);
      for (const int64_t t : {2, 40}) {
        for (const float bad : {NAN, INFINITY}) {
          std::vector<float> x = RandomFloats(t * k, 10), y(static_cast<size_t>(t * n));
          x[static_cast<size_t>(k + 77)] = bad;
          MatMul({x.data(), t, k}, weight.view, {}, {y.data(), t, n}, ctx);
          const std::string what = std::string(Traits(type).name) + ", " +
                                   std::string(NumericsName(numerics)) + ", " + std::to_string(t);
          for (int64_t i = 0; i < n; ++i) {
            EXPECT_TRUE(std::isfinite(y[static_cast<size_t>(i)])) << what;
            // A weight of zero times infinity is NaN, any other infinite.
            EXPECT_FALSE(std::isfinite(y[static_cast<size_t>(n + i)])) << what;
          }
        }
      }
    }
  }
}

TEST_P(MatMulTest, TinyActivationsStayFinite) {
  const int64_t k = 512, n = 40;
  ThreadPool pool(1);
  for (const DType type : kTypes) {
    const TestWeight weight = MakeWeight(type, n, k, 9);
    for (const Numerics numerics : {Numerics::kFast, Numerics::kInt8}) {
      Context ctx = MakeContext(pool, GetParam(), numerics);
      for (const int64_t t : {1, 40}) {
        const std::vector<float> x = RandomFloats(t * k, 10, 1e-38);
        std::vector<float> y(static_cast<size_t>(t * n));
        MatMul({x.data(), t, k}, weight.view, {}, {y.data(), t, n}, ctx);
        for (const float value : y) {
          ASSERT_LT(std::fabs(value), 1e-30f) << Traits(type).name << ", " << t << " tokens";
        }
      }
    }
  }
}

TEST_P(MatMulTest, ResultDoesNotDependOnThreads) {
  const int64_t k = 2304;
  for (DType type : {DType::kF16, DType::kQ4_K, DType::kQ6_K, DType::kQ8_0}) {
    const TestWeight weight = MakeWeight(type, 131, k, 9);
    for (Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
      for (int64_t t : {1, 30}) {
        const std::vector<float> x = RandomFloats(t * k, 10);
        std::vector<float> first;
        for (int threads : {1, 2, 3}) {
          ThreadPool pool(threads);
          Context ctx = MakeContext(pool, GetParam(), numerics);
          std::vector<float> y(static_cast<size_t>(t * 131));
          MatMul({x.data(), t, k}, weight.view, {}, {y.data(), t, 131}, ctx);
          if (threads == 1) first = y;
          ASSERT_EQ(std::memcmp(first.data(), y.data(), y.size() * 4), 0)
              << Traits(type).name << " T=" << t << " threads=" << threads;
        }
      }
    }
  }
}

TEST_P(MatMulTest, ResultDoesNotDependOnBlocks) {
  const int64_t k = 512, n = 131, t = 250;
  ThreadPool pool(2);
  for (DType type : {DType::kF16, DType::kQ4_K, DType::kQ6_K, DType::kQ8_0}) {
    const TestWeight weight = MakeWeight(type, n, k, 9);
    const std::vector<float> x = RandomFloats(t * k, 10);
    for (Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
      Context ctx = MakeContext(pool, GetParam(), numerics);
      for (int64_t tokens : {int64_t{1}, int64_t{3}, t}) {
        const auto compute = [&](const Blocking& blocking) {
          ctx.blocking = blocking;
          std::vector<float> y(static_cast<size_t>(2 * tokens * n));
          const MatView product(y.data(), tokens, n);
          MatMul({x.data(), tokens, k}, weight.view, {}, product, ctx);
          MatMulSwiGlu({x.data(), tokens, k}, weight.view, weight.view,
                       {y.data() + tokens * n, tokens, n}, ctx);
          return y;
        };
        const std::vector<float> first = compute({});
        for (const Blocking& blocking :
             {Blocking{1, 120}, Blocking{8, 240}, Blocking{64, 360}, Blocking{1024, 2160}}) {
          const std::vector<float> y = compute(blocking);
          ASSERT_EQ(std::memcmp(first.data(), y.data(), y.size() * sizeof(float)), 0)
              << Traits(type).name << " T=" << tokens << " rows=" << blocking.rows;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, MatMulTest, ::testing::ValuesIn(TargetNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace mcv
