// Whole runs at toy sizes: resuming, stopping, warm starts, learning, exporting.
#include "trainer/recipes/trainer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "family/model_files.h"
#include "trainer/checkpoint/export.h"
#include "trainer/checkpoint/import.h"
#include "trainer/recipes/curve.h"
#include "trainer/recipes/score.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

TrainConfig ToyConfig(const std::string& run) {
  TrainConfig config;
  config.run_dir = (fs::path(testing::TempDir()) / run).string();
  fs::remove_all(config.run_dir);
  config.vision_width = 64;
  config.vision_layers = 2;
  config.vision_heads = 2;
  config.vision_ffn = 96;
  config.queries = 4;
  config.width = 128;
  config.layers = 2;
  config.heads = 2;
  config.kv_heads = 1;
  config.ffn = 96;
  config.batch = 4;
  config.steps = 6;
  config.warmup = 2;
  config.ramp_steps = 4;
  config.log_every = 2;
  config.stage = "all";
  config.threads = 1;
  config.scene_share = 0.5;
  config.word_share = 0.5;
  return config;
}

std::string Bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Status TrainUntilDone(const TrainConfig& config) {
  MCV_ASSIGN_OR_RETURN(const std::unique_ptr<Trainer> trainer, Trainer::Create(config));
  const std::atomic<bool> stop{false};
  return trainer->Run(stop);
}

ExportSource SourceOf(Trainer& trainer, const TrainConfig& config) {
  ExportSource source;
  source.config = trainer.model().model().config();
  source.tokenizer_dir = config.run_dir + "/tokenizer";
  const auto named = trainer.model().model().named_parameters();
  for (const auto& p : named) source.parameters.emplace_back(p.key(), p.value());
  return source;
}

// Exactly the same files as a run without a break, though the difficulty ramp runs across the
// border.
TEST(TrainerTest, ResumedRunEqualsUninterruptedRunBitForBit) {
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

TEST(TrainerTest, StopSavesAtTheNextBorder) {
  const TrainConfig config = ToyConfig("stopped");
  auto trainer = Trainer::Create(config);
  ASSERT_TRUE(trainer.ok()) << trainer.status().ToString();
  const std::atomic<bool> stop{true};
  ASSERT_TRUE(trainer.value()->Run(stop).ok());
  EXPECT_EQ(trainer.value()->step(), 0);
  EXPECT_TRUE(NewestCheckpoint(config.run_dir).ok());
}

TEST(TrainerTest, AnotherStageNeedsInitNotResume) {
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

TEST(TrainerTest, OverfitsOneSmallBatch) {
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

TEST(TrainerTest, ExportsOpenInTheEnginesReaders) {
  TrainConfig config = ToyConfig("export");
  config.steps = 2;
  ASSERT_TRUE(TrainUntilDone(config).ok());
  auto trainer = Trainer::Create(config);
  ASSERT_TRUE(trainer.ok());
  const ExportSource source = SourceOf(*trainer.value(), config);
  const std::string folder = config.run_dir + "/out";
  const Status pair = ExportGgufPair(source, QuantMix::kF32, folder);
  ASSERT_TRUE(pair.ok()) << pair.ToString();
  const Status hf = ExportHfFolder(source, DType::kF32, folder + "/hf");
  ASSERT_TRUE(hf.ok()) << hf.ToString();
  // The same numbers come out of both, whatever each format does to rows and names.
  const Result<ModelFiles> a = ModelFiles::Open(folder + "/llm-f32.gguf");
  const Result<ModelFiles> b = ModelFiles::Open(folder + "/hf");
  ASSERT_TRUE(a.ok()) << a.status().ToString();
  ASSERT_TRUE(b.ok()) << b.status().ToString();
  EXPECT_EQ(a.value().config().slicing.max_slices, 1);
  EXPECT_EQ(b.value().config().slicing.max_slices, 1);
  EXPECT_EQ(a.value().config().vision.position_rule, PositionRule::kGrid);
  EXPECT_EQ(b.value().config().vision.position_rule, PositionRule::kGrid);
  for (const TensorSpec& spec : a.value().tensors()) {
    const TensorSpec* other = b.value().FindSpec(spec.id);
    ASSERT_NE(other, nullptr) << spec.id;
    const auto x = ReadTensor(a.value(), spec);
    const auto y = ReadTensor(b.value(), *other);
    ASSERT_TRUE(x.ok() && y.ok()) << spec.id;
    if (spec.id == "vision.patch" || spec.id == "vision.positions") {
      // Published files never store these above F16.
      for (size_t i = 0; i < x.value().size(); ++i) {
        ASSERT_NEAR(x.value()[i], y.value()[i], 1e-2) << spec.id;
      }
    } else {
      EXPECT_EQ(x.value(), y.value()) << spec.id;
    }
  }
}

// What was exported can be trained further: from the HF folder, and from the GGUF pair.
TEST(TrainerTest, ExportedWeightsStartAnotherRun) {
  TrainConfig config = ToyConfig("import");
  config.steps = 2;
  ASSERT_TRUE(TrainUntilDone(config).ok());
  auto trainer = Trainer::Create(config);
  ASSERT_TRUE(trainer.ok());
  const ExportSource source = SourceOf(*trainer.value(), config);
  const std::string folder = config.run_dir + "/out";
  ASSERT_TRUE(ExportGgufPair(source, QuantMix::kF32, folder).ok());
  ASSERT_TRUE(ExportHfFolder(source, DType::kF32, folder + "/hf").ok());
  for (const std::string& from : {folder, folder + "/hf"}) {
    const auto other = std::make_shared<MiniCpmV>(source.config);
    NamedTensors targets;
    for (const auto& p : other->named_parameters()) targets.emplace_back(p.key(), p.value());
    const Tensor head = targets.front().second.detach().clone();
    const Status imported = ImportWeights(from, "vpm.,resampler.", targets);
    ASSERT_TRUE(imported.ok()) << imported.ToString();
    for (size_t i = 0; i < targets.size(); ++i) {
      const double difference =
          (targets[i].second - source.parameters[i].second).abs().max().item<double>();
      if (InParts(targets[i].first, "llm.")) continue;
      EXPECT_LT(difference, 1e-2) << from << " " << targets[i].first;  // F16 patches and positions
    }
    EXPECT_TRUE(torch::equal(head, targets.front().second)) << targets.front().first;
  }
}

TEST(TrainerTest, WeightsOfAnotherSizeAreRefusedByName) {
  TrainConfig config = ToyConfig("other-size");
  config.steps = 1;
  ASSERT_TRUE(TrainUntilDone(config).ok());
  TrainConfig larger = ToyConfig("larger");
  larger.vision_ffn = 128;
  larger.init = NewestCheckpoint(config.run_dir).value() + "/model.safetensors";
  const auto refused = Trainer::Create(larger);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("mlp.fc1"), std::string::npos)
      << refused.status().ToString();
}

TEST(TrainerTest, CurveIsAPicture) {
  TrainConfig config = ToyConfig("curve");
  ASSERT_TRUE(TrainUntilDone(config).ok());
  const std::string png = config.run_dir + "/curve.png";
  const Status drawn = DrawCurve(config.run_dir + "/log.jsonl", png);
  ASSERT_TRUE(drawn.ok()) << drawn.ToString();
  EXPECT_EQ(Bytes(png).substr(1, 3), "PNG");
  EXPECT_FALSE(DrawCurve(config.run_dir + "/absent.jsonl", png).ok());
}

TEST(ConfigTest, TheShippedModelsRecipeIsReadable) {
  for (const char* stage : {"encoder", "connector", "all"}) {
    TrainConfig config;
    const Status status =
        ReadConfig(std::string(MCV_SOURCE_DIR "/trainer/recipes/nano/") + stage + ".json", config);
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(config.stage, stage);
    EXPECT_TRUE(config.run_dir == TrainConfig().run_dir && config.init.empty());
  }
}

TEST(ConfigTest, PrecisionIsNamedOrChosen) {
  const torch::Device cpu(at::kCPU);
  EXPECT_EQ(MatrixType("bf16", cpu).value(), at::kBFloat16);
  EXPECT_EQ(MatrixType("fp32", cpu).value(), at::kFloat);
  EXPECT_TRUE(MatrixType("auto", cpu).ok());
  EXPECT_EQ(MatrixType("fp8", cpu).status().code(), StatusCode::kInvalidArgument);
}

TEST(ConfigTest, UnknownSettingNamesTheNearest) {
  const std::string path = (fs::path(testing::TempDir()) / "settings.json").string();
  std::ofstream(path) << R"({"wamup": 3})";
  TrainConfig config;
  const Status status = ReadConfig(path, config);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("warmup"), std::string::npos) << status.message();
  std::ofstream(path) << ConfigToJson(ToyConfig("x"));
  EXPECT_TRUE(ReadConfig(path, config).ok());
  EXPECT_EQ(config.vision_width, 64);
}

}  // namespace
}  // namespace mcv::trainer
