#include "trainer/recipes/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "trainer/recipes/schedule.h"
#include "trainer/recipes/stage.h"

namespace mcv::trainer {
namespace {

TEST(OptimizerTest, AdamWEqualsLibtorchs) {
  torch::manual_seed(3);
  Tensor own = torch::randn({40, 30}).requires_grad_(true);
  Tensor theirs = own.detach().clone().requires_grad_(true);
  OptimizerOptions options;
  options.muon = false;
  options.clip = 0.0;
  options.weight_decay = 0.1;
  options.beta2 = 0.95;
  Optimizer optimizer({{"some.weight", own}}, options);
  torch::optim::AdamW reference(
      {theirs}, torch::optim::AdamWOptions(1e-2).betas({0.9, 0.95}).eps(1e-8).weight_decay(0.1));
  for (int step = 0; step < 20; ++step) {
    const Tensor direction = torch::randn({40, 30});
    (own * direction).sum().backward();
    (theirs * direction).sum().backward();
    optimizer.Step(1e-2);
    reference.step();
    reference.zero_grad();
  }
  EXPECT_LT((own - theirs).abs().max().item<double>(), 1e-5);
}

TEST(OptimizerTest, ClippingBoundsTheStepAndReportsTheNorm) {
  Tensor p = torch::zeros({4}).requires_grad_(true);
  OptimizerOptions options;
  options.clip = 1.0;
  Optimizer optimizer({{"a.bias", p}}, options);
  (p * 300.0).sum().backward();
  const Optimizer::StepReport report = optimizer.Step(1e-3);
  EXPECT_NEAR(report.gradient_norm, 600.0, 1e-3);
  EXPECT_NEAR(optimizer.State()[0].tensor.norm().item<double>(), 0.1, 1e-6);  // (1 - beta1) * 1
}

TEST(OptimizerTest, NonFiniteGradientChangesNothing) {
  Tensor p = torch::ones({8}).requires_grad_(true);
  Optimizer optimizer({{"a.bias", p}}, OptimizerOptions());
  (p * std::nan("")).sum().backward();
  EXPECT_TRUE(optimizer.Step(1.0).skipped);
  EXPECT_EQ(optimizer.steps(), 0);
  EXPECT_TRUE(torch::equal(p, torch::ones({8})));
  EXPECT_FALSE(p.grad().defined());
}

TEST(OptimizerTest, OrthogonaliseBringsSingularValuesNearOne) {
  for (const at::ScalarType type : {at::kBFloat16, at::kFloat}) {
    torch::manual_seed(5);
    const Tensor result = Orthogonalise(torch::randn({3, 48, 96}) * 7.0, type);
    const Tensor values = torch::linalg_svdvals(result);
    EXPECT_GT(values.min().item<double>(), 0.4) << type;
    EXPECT_LT(values.max().item<double>(), 1.4) << type;
  }
}

TEST(OptimizerTest, MuonIsForHiddenMatricesOnly) {
  Optimizer optimizer({{"llm.model.layers.0.mlp.up_proj.weight", torch::randn({8, 4})},
                       {"llm.model.embed_tokens.weight", torch::randn({8, 4})},
                       {"resampler.query", torch::randn({8, 4})}},
                      OptimizerOptions());
  std::vector<std::string> names;
  for (const NamedTensor& t : optimizer.State()) names.push_back(t.name);
  const auto has = [&](const std::string& n) {
    return std::find(names.begin(), names.end(), n) != names.end();
  };
  EXPECT_FALSE(has("llm.model.layers.0.mlp.up_proj.weight.v"));
  EXPECT_TRUE(has("llm.model.embed_tokens.weight.v"));
  EXPECT_TRUE(has("resampler.query.v"));
}

TEST(ScheduleTest, RisesHoldsAndFalls) {
  Schedule s;
  s.steps = 100;
  s.warmup = 10;
  s.peak = 1.0;
  s.floor_share = 0.1;
  s.decay_share = 0.5;
  EXPECT_DOUBLE_EQ(s.Rate(0), 0.1);
  EXPECT_DOUBLE_EQ(s.Rate(9), 1.0);
  EXPECT_DOUBLE_EQ(s.Rate(50), 1.0);
  EXPECT_NEAR(s.Rate(75), 0.55, 1e-9);
  EXPECT_NEAR(s.Rate(100), 0.1, 1e-9);
  EXPECT_NEAR(s.Rate(1000), 0.1, 1e-9);
  s.shape = Schedule::Shape::kCosine;
  EXPECT_NEAR(s.Rate(55), 0.55, 1e-9);
  EXPECT_NEAR(s.Rate(100), 0.1, 1e-9);
}

TEST(StageTest, NamesWhatItTrains) {
  const Result<Stage> stage = FindStage("connector");
  ASSERT_TRUE(stage.ok());
  EXPECT_TRUE(stage.value().Trains("llm.lm_head.weight"));
  EXPECT_FALSE(stage.value().Trains("vpm.post_layernorm.bias"));
  EXPECT_EQ(FindStage("everything").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mcv::trainer
