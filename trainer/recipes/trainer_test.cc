// Whole runs at toy sizes: resuming, stopping, warm starts, learning, exporting.
#include "trainer/recipes/trainer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "trainer/recipes/curve.h"
#include "trainer/recipes/score.h"
#include "trainer/recipes/test_runs.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

// Exactly the same files as a run without a break, though the difficulty ramp runs across the
// border.
TEST_F(TrainerTest, ResumedRunEqualsUninterruptedRunBitForBit) {
  TrainConfig whole = ToyConfig("whole");
  ASSERT_TRUE(TrainUntilDone(whole).ok());
  const TrainConfig broken = ToyConfig("broken");
  for (int part = 0; part < 20; ++part) {
    TrainConfig step = broken;
    step.resume = true;
    step.max_minutes = 0.0005;  // a step or a few, then a checkpoint
    auto trainer = Trainer::Create(step);
    ASSERT_TRUE(trainer.ok()) << trainer.status().ToString();
    const std::atomic<bool> stop{false};
    ASSERT_TRUE(trainer.value()->Run(stop).ok());
    if (trainer.value()->step() == whole.steps) break;
  }
  const Result<std::string> a = NewestCheckpoint(whole.run_dir);
  const Result<std::string> b = NewestCheckpoint(broken.run_dir);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(fs::path(a.value()).filename(), fs::path(b.value()).filename());
  for (const char* file : {"model.safetensors", "averaged.safetensors", "optim.safetensors"}) {
    EXPECT_EQ(Bytes(fs::path(a.value()) / file), Bytes(fs::path(b.value()) / file)) << file;
  }
}

TEST_F(TrainerTest, StopSavesAtTheNextBorder) {
  const TrainConfig config = ToyConfig("stopped");
  auto trainer = Trainer::Create(config);
  ASSERT_TRUE(trainer.ok()) << trainer.status().ToString();
  const std::atomic<bool> stop{true};
  ASSERT_TRUE(trainer.value()->Run(stop).ok());
  EXPECT_EQ(trainer.value()->step(), 0);
  EXPECT_TRUE(NewestCheckpoint(config.run_dir).ok());
}

TEST_F(TrainerTest, AnotherStageNeedsInitNotResume) {
  TrainConfig config = ToyConfig("stages");
  config.stage = "encoder";
  config.steps = 2;
  ASSERT_TRUE(TrainUntilDone(config).ok());
  TrainConfig next = config;
  next.stage = "connector";
  next.resume = true;
  EXPECT_EQ(Trainer::Create(next).status().code(), StatusCode::kInvalidArgument);
  next.resume = false;
  next.init = NewestCheckpoint(config.run_dir).value() + "/model.safetensors";
  next.run_dir += "-next";
  auto trainer = Trainer::Create(next);
  ASSERT_TRUE(trainer.ok()) << trainer.status().ToString();
  const std::atomic<bool> stop{false};
  ASSERT_TRUE(trainer.value()->Run(stop).ok());
  // The encoder was fixed: its weights are those of the stage before.
  NamedTensors before;
  for (const auto& [name, tensor] : trainer.value()->model().Parameters()) {
    before.emplace_back(name, torch::zeros_like(tensor));
  }
  ASSERT_TRUE(LoadTensors(next.init, before).ok());
  size_t i = 0;
  for (const auto& [name, tensor] : trainer.value()->model().Parameters()) {
    const bool same = torch::equal(before[i++].second, tensor);
    EXPECT_TRUE(same || name.rfind("vpm.", 0) != 0) << name;
    EXPECT_FALSE(same && name == "llm.lm_head.weight");
  }
}

TEST_F(TrainerTest, OverfitsOneSmallBatch) {
  TrainConfig config = ToyConfig("overfit");
  auto trainer = Trainer::Create(config);
  ASSERT_TRUE(trainer.ok()) << trainer.status().ToString();
  TrainedModel& model = trainer.value()->model();
  const auto assets = DataAssets::Load(DataPaths{});
  ASSERT_TRUE(assets.ok());
  DataGenerator generator(assets.value(), config.Data(0));
  std::vector<Sample> samples;
  for (uint64_t i = 0; i < 4; ++i) samples.push_back(generator.Make(Split::kTrain, i));
  const StepBatch batch =
      MakeStepBatch(samples, model.model().config(), &trainer.value()->tokenizer(),
                    assets.value()->things().size());
  std::vector<NamedTensor> parameters;
  for (auto& [name, tensor] : model.Parameters()) parameters.push_back({name, tensor});
  Optimizer optimizer(parameters, OptimizerOptions());
  const Result<Stage> stage = FindStage("all");
  LossWeights weights;
  weights.dense = 0.3;
  weights.presence = 0.0;
  Losses losses;
  for (int step = 0; step < 150; ++step) {
    losses = ComputeLosses(model, batch, stage.value(), weights, at::kBFloat16);
    losses.total.backward();
    optimizer.Step(5e-3);
  }
  EXPECT_LT(losses.answer.item<double>(), 0.1);
  EXPECT_GT(losses.answer_hits.item<double>(), 0.97);
}

TEST_F(TrainerTest, CurveIsAPicture) {
  TrainConfig config = ToyConfig("curve");
  ASSERT_TRUE(TrainUntilDone(config).ok());
  const std::string png = config.run_dir + "/curve.png";
  const Status drawn = DrawCurve(config.run_dir + "/log.jsonl", png);
  ASSERT_TRUE(drawn.ok()) << drawn.ToString();
  EXPECT_EQ(Bytes(png).substr(1, 3), "PNG");
  EXPECT_FALSE(DrawCurve(config.run_dir + "/absent.jsonl", png).ok());
}

}  // namespace
}  // namespace mcv::trainer
