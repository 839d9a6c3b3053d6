// Every hand-written operation against the same operation composed of libtorch's own in double
// precision: values and the gradients of every input.
#include "trainer/modules/ops.h"

#include <gtest/gtest.h>

#include <functional>

namespace mcv::trainer {
namespace {

using Op = std::function<Tensor(const std::vector<Tensor>&)>;

double LargestDifference(const Tensor& a, const Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

std::vector<Tensor> Leaves(const std::vector<Tensor>& values, at::ScalarType type) {
  std::vector<Tensor> leaves;
  for (const Tensor& v : values) leaves.push_back(v.to(type).clone().requires_grad_(true));
  return leaves;
}

// `fast` runs in fp32 (or on activations cast by itself), `slow` in double; both give one tensor.
void ExpectSame(const std::vector<Tensor>& values, const Op& fast, const Op& slow,
                double tolerance) {
  std::vector<Tensor> single = Leaves(values, at::kFloat);
  std::vector<Tensor> twice = Leaves(values, at::kDouble);
  const Tensor y = fast(single).to(at::kFloat);
  const Tensor expected = slow(twice);
  EXPECT_LT(LargestDifference(y, expected), tolerance);
  const Tensor direction = torch::randn(expected.sizes(), at::kDouble);
  (y * direction.to(at::kFloat)).sum().backward();
  (expected * direction).sum().backward();
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_LT(LargestDifference(single[i].grad(), twice[i].grad()),
              tolerance * (1.0 + twice[i].grad().abs().max().item<double>()))
        << "gradient of input " << i;
  }
}

class OpsTest : public testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(7); }
};

TEST_F(OpsTest, LinearEqualsComposed) {
  const std::vector<Tensor> values = {torch::randn({37, 24}), torch::randn({40, 24}),
                                      torch::randn({40})};
  ExpectSame(
      values, [](const auto& v) { return Linear(v[0], v[1], v[2]); },
      [](const auto& v) { return composed::Linear(v[0], v[1], v[2]); }, 1e-4);
}

TEST_F(OpsTest, NormsEqualComposed) {
  const std::vector<Tensor> layer = {torch::randn({33, 70}) * 3 + 1, torch::randn({70}),
                                     torch::randn({70})};
  ExpectSame(
      layer, [](const auto& v) { return LayerNorm(v[0], v[1], v[2], 1e-6, at::kFloat); },
      [](const auto& v) { return composed::LayerNorm(v[0], v[1], v[2], 1e-6, at::kDouble); }, 1e-4);
  const std::vector<Tensor> rms = {torch::randn({33, 70}) * 3 + 1, torch::randn({70})};
  ExpectSame(
      rms, [](const auto& v) { return RmsNorm(v[0], v[1], 1e-5, at::kFloat); },
      [](const auto& v) { return composed::RmsNorm(v[0], v[1], 1e-5, at::kDouble); }, 1e-4);
}

TEST_F(OpsTest, ActivationsEqualComposed) {
  const std::vector<Tensor> gelu = {torch::randn({50, 31}) * 4, torch::randn({31})};
  ExpectSame(
      gelu, [](const auto& v) { return BiasGelu(v[0], v[1]); },
      [](const auto& v) { return composed::BiasGelu(v[0], v[1]); }, 1e-4);
  const std::vector<Tensor> silu = {torch::randn({50, 31}) * 4, torch::randn({50, 31})};
  ExpectSame(
      silu, [](const auto& v) { return SiluMul(v[0], v[1]); },
      [](const auto& v) { return composed::SiluMul(v[0], v[1]); }, 1e-4);
}

TEST_F(OpsTest, ComposedGeluIsTheTanhForm) {
  const Tensor x = torch::linspace(-9, 9, 2001, at::kDouble);
  const Tensor tanh_form =
      0.5 * x * (1 + torch::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x.pow(3))));
  EXPECT_LT(LargestDifference(composed::BiasGelu(x, torch::zeros({1}, at::kDouble)), tanh_form),
            1e-12);
}

TEST_F(OpsTest, ResidualAddEqualsComposed) {
  const std::vector<Tensor> values = {torch::randn({21, 19}), torch::randn({21, 19}),
                                      torch::randn({19})};
  ExpectSame(
      values, [](const auto& v) { return ResidualAdd(v[0], v[1], v[2], 0.22); },
      [](const auto& v) { return composed::ResidualAdd(v[0], v[1], v[2], 0.22); }, 1e-5);
}

struct AttentionCase {
  std::vector<int64_t> q_offsets, k_offsets;
  int64_t heads, kv_heads, head_dim;
  bool causal, rope;
};

class AttentionTest : public testing::TestWithParam<AttentionCase> {};

TEST_P(AttentionTest, EqualsComposed) {
  torch::manual_seed(11);
  const AttentionCase& c = GetParam();
  const RopeTables rope = MakeRopeTables(64, c.head_dim, 10000.0);
  AttentionSpec spec;
  spec.q_offsets = c.q_offsets;
  spec.k_offsets = c.k_offsets;
  spec.heads = c.heads;
  spec.kv_heads = c.kv_heads;
  spec.head_dim = c.head_dim;
  spec.causal = c.causal;
  spec.rope = c.rope ? &rope : nullptr;
  // Three rows of padding behind the last segment must give zeros and get no gradient.
  const int64_t q_rows = c.q_offsets.back() + (c.causal ? 3 : 0);
  const int64_t k_rows = c.k_offsets.back() + (c.causal ? 3 : 0);
  const std::vector<Tensor> values = {torch::randn({q_rows, c.heads * c.head_dim}),
                                      torch::randn({k_rows, c.kv_heads * c.head_dim}),
                                      torch::randn({k_rows, c.kv_heads * c.head_dim})};
  ExpectSame(
      values, [&](const auto& v) { return Attention(v[0], v[1], v[2], spec); },
      [&](const auto& v) { return composed::Attention(v[0], v[1], v[2], spec); }, 2e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionTest,
    testing::Values(AttentionCase{{0, 36, 72}, {0, 36, 72}, 3, 3, 64, false, false},
                    AttentionCase{{0, 9, 10, 47}, {0, 9, 10, 47}, 4, 2, 32, true, true},
                    AttentionCase{{0, 50}, {0, 50}, 4, 1, 64, true, true},
                    AttentionCase{{0, 32, 64}, {0, 36, 71}, 2, 2, 128, false, false},
                    AttentionCase{{0, 5, 23}, {0, 5, 23}, 2, 2, 72, false, false}));

TEST_F(OpsTest, Bf16StaysNearFp32) {
  const std::vector<Tensor> values = {torch::randn({64, 96}), torch::randn({128, 96}) / 10,
                                      torch::randn({128})};
  ExpectSame(
      values, [](const auto& v) { return BiasGelu(Linear(v[0].to(at::kBFloat16), v[1]), v[2]); },
      [](const auto& v) { return composed::BiasGelu(composed::Linear(v[0], v[1], {}), v[2]); },
      3e-2);
}

// Many small steps add up to the whole one: their sums are not rounded on the way.
TEST_F(OpsTest, WeightGradientsOfBf16RowsAreNotRounded) {
  const Tensor x = torch::randn({256, 48}).to(at::kBFloat16);
  const Tensor direction = torch::randn({256, 40}).to(at::kBFloat16);
  const Tensor expected = torch::mm(direction.to(at::kDouble).t(), x.to(at::kDouble));
  for (const int64_t rows : {256, 8}) {
    Tensor w = torch::randn({40, 48}).requires_grad_(true);
    for (int64_t first = 0; first < 256; first += rows) {
      const Tensor y = Linear(x.narrow(0, first, rows), w);
      ASSERT_EQ(y.scalar_type(), at::kBFloat16);
      y.backward(direction.narrow(0, first, rows));
    }
    EXPECT_LT(LargestDifference(w.grad(), expected), 1e-4) << rows << " rows at a time";
  }
}

TEST_F(OpsTest, GradientBitsDoNotDependOnTheNumberOfThreads) {
  const Tensor x = torch::randn({300, 64});
  const auto gradient = [&](int threads) {
    at::set_num_threads(threads);
    Tensor w = torch::ones({64}).requires_grad_(true);
    LayerNorm(x, w, torch::zeros({64}), 1e-6, at::kFloat).square().sum().backward();
    return w.grad();
  };
  EXPECT_TRUE(torch::equal(gradient(1), gradient(2)));
  at::set_num_threads(1);
}

}  // namespace
}  // namespace mcv::trainer
