// What a run may start from: what was exported, with its heads and in its own words.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "family/model_files.h"
#include "trainer/checkpoint/weights_tokenizer.h"
#include "trainer/data/test_assets.h"
#include "trainer/recipes/test_runs.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

// A run that has done so many steps, opened again.
auto TrainedFor(int64_t steps, TrainConfig* config) {
  config->steps = steps;
  EXPECT_TRUE(TrainUntilDone(*config).ok());
  config->resume = true;
  return Trainer::Create(*config);
}

TEST_F(TrainerTest, ExportsOpenInTheEnginesReaders) {
  TrainConfig config = ToyConfig("export");
  auto trainer = TrainedFor(2, &config);
  ASSERT_TRUE(trainer.ok()) << trainer.status().ToString();
  ASSERT_EQ(trainer.value()->step(), 2);
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
TEST_F(TrainerTest, ExportedWeightsStartAnotherRun) {
  TrainConfig config = ToyConfig("import");
  auto trainer = TrainedFor(2, &config);
  ASSERT_TRUE(trainer.ok()) << trainer.status().ToString();
  ASSERT_EQ(trainer.value()->step(), 2);
  const ExportSource source = SourceOf(*trainer.value(), config);
  const std::string folder = config.run_dir + "/out";
  ASSERT_TRUE(ExportGgufPair(source, QuantMix::kF32, folder).ok());
  ASSERT_TRUE(ExportHfFolder(source, DType::kF32, folder + "/hf").ok());
  for (const std::string& from : {folder, folder + "/hf"}) {
    const auto other = std::make_shared<MiniCpmV>(source.config);
    NamedTensors targets;
    for (const auto& p : other->named_parameters()) targets.emplace_back(p.key(), p.value());
    const Tensor head = targets.front().second.detach().clone();
    const Status imported =
        ImportWeights(from, "vpm.,resampler.", trainer.value()->tokenizer().tokenizer(), targets);
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

// The patch losses go on where they were too: their heads lie beside what was exported.
TEST_F(TrainerTest, ExportedHeadsGoOnLearning) {
  TrainConfig config = ToyConfig("heads");
  config.stage = "encoder";
  config.steps = 2;
  auto trainer = Trainer::Create(config);
  ASSERT_TRUE(trainer.ok()) << trainer.status().ToString();
  const std::atomic<bool> stop{false};
  ASSERT_TRUE(trainer.value()->Run(stop).ok());
  const ExportSource source = SourceOf(*trainer.value(), config);
  ASSERT_EQ(source.heads.size(), 8u);
  const std::string pair = config.run_dir + "/pair", hf = config.run_dir + "/hf";
  ASSERT_TRUE(ExportGgufPair(source, QuantMix::kQ8_0, pair).ok());
  ASSERT_TRUE(ExportHfFolder(source, DType::kF16, hf).ok());
  for (const std::string& from : {pair, hf, pair + "/llm-q8_0.gguf"}) {
    TrainConfig next = ToyConfig("next-" + fs::path(from).filename().string());
    next.init = from;
    const auto started = Trainer::Create(next);
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    size_t i = 0;
    for (const auto& [name, tensor] : started.value()->model().Parameters()) {
      if (!InParts(name, "aux.")) continue;
      ASSERT_EQ(name, source.heads[i].first);
      EXPECT_TRUE(torch::equal(tensor, source.heads[i++].second)) << from << " " << name;
    }
  }
  // Another model exported to the same place without heads leaves none of the first one's there.
  ExportSource bare = source;
  bare.heads.clear();
  ASSERT_TRUE(ExportGgufPair(bare, QuantMix::kQ8_0, pair).ok());
  EXPECT_FALSE(fs::exists(fs::path(pair) / kHeadsFile));
}

// A head that knows fewer labels fills the first rows: labels are only ever appended.
TEST_F(TrainerTest, HeadsOfFewerLabelsFillTheFirstRows) {
  const auto head = [](int64_t rows, float value) {
    return NamedTensors{{"aux.patch.weight", torch::full({rows, 3}, value)},
                        {"aux.place.weight", torch::full({4, 3}, value)}};
  };
  fs::create_directories(folder_ / "x");
  const std::string path = folder_ / "x/averaged.safetensors";
  ASSERT_TRUE(SaveTensors(path, head(5, 1), DType::kF32).ok());
  ASSERT_TRUE(BuildNanoTokenizer(TestAssets(), (folder_ / "x/tokenizer").string()).ok());
  const auto tokenizer = LoadTokenizerFromFolder((folder_ / "x/tokenizer").string());
  ASSERT_TRUE(tokenizer.ok());
  const NamedTensors longer = head(7, 2);
  const Status read = ImportWeights(path, "aux.", **tokenizer, longer);
  ASSERT_TRUE(read.ok()) << read.ToString();
  EXPECT_EQ(longer[0].second.sum().item<float>(), 5 * 3 * 1 + 2 * 3 * 2);
  EXPECT_EQ(longer[1].second.sum().item<float>(), 4 * 3 * 1);
  EXPECT_FALSE(ImportWeights(path, "aux.", **tokenizer, head(4, 2)).ok());
}

// The same words under other ids are other words.
TEST_F(TrainerTest, WeightsOfAnotherTokenizerAreRefused) {
  TrainConfig config = ToyConfig("words");
  config.steps = 1;
  ASSERT_TRUE(TrainUntilDone(config).ok());
  const fs::path checkpoint = NewestCheckpoint(config.run_dir).value();

  // " cat" and " dog" change places: as many tokens as before.
  const fs::path changed = folder_ / "changed";
  fs::create_directories(changed);
  fs::copy(checkpoint / "tokenizer", changed);
  std::string json = Bytes(changed / "tokenizer.json");
  const auto swap = [&](const std::string& from, const std::string& to) {
    const size_t at = json.find("\"" + from + "\": ");
    ASSERT_NE(at, std::string::npos) << from;
    json.replace(at, from.size() + 2, "\"" + to + "\"");
  };
  swap(
      "\xC4\xA0"
      "cat",
      "swapped");
  swap(
      "\xC4\xA0"
      "dog",
      "\xC4\xA0"
      "cat");
  swap("swapped",
       "\xC4\xA0"
       "dog");
  std::ofstream(changed / "tokenizer.json", std::ios::binary) << json;

  ExportSource source;
  {
    TrainConfig whole = config;
    whole.resume = true;
    auto trainer = Trainer::Create(whole);
    ASSERT_TRUE(trainer.ok()) << trainer.status().ToString();
    source = SourceOf(*trainer.value(), config);
    ASSERT_TRUE(ExportGgufPair(source, QuantMix::kF32, (folder_ / "pair").string()).ok());
    ASSERT_TRUE(ExportHfFolder(source, DType::kF32, (folder_ / "hf").string()).ok());
  }
  int number = 0;
  for (const std::string& from : {(checkpoint / "averaged.safetensors").string(),
                                  (folder_ / "pair").string(), (folder_ / "hf").string()}) {
    TrainConfig next = ToyConfig("next-" + std::to_string(number++));
    next.init = from;
    next.tokenizer_dir = changed.string();
    const Status refused = Trainer::Create(next).status();
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << from;
    EXPECT_NE(refused.message().find("\" cat\""), std::string::npos) << refused.ToString();
    EXPECT_NE(refused.message().find("\" dog\""), std::string::npos) << refused.ToString();
    // What has no ids may start from anywhere.
    next.init_parts = "vpm.,resampler.,aux.";
    const Status accepted = Trainer::Create(next).status();
    EXPECT_TRUE(accepted.ok()) << accepted.ToString();
  }
  // Nor may a run go on with other words.
  TrainConfig resumed = config;
  resumed.resume = true;
  resumed.tokenizer_dir = changed.string();
  EXPECT_EQ(Trainer::Create(resumed).status().code(), StatusCode::kInvalidArgument);
  // Weights that came without their tokenizer cannot be compared.
  fs::copy(checkpoint / "averaged.safetensors", folder_ / "alone.safetensors");
  TrainConfig alone = ToyConfig("alone");
  alone.init = folder_ / "alone.safetensors";
  EXPECT_EQ(Trainer::Create(alone).status().code(), StatusCode::kNotFound);
}

// The weights that this repository ships go on with the words that the generator has today.
TEST_F(TrainerTest, TheShippedModelHasTheGeneratorsTokenizer) {
  const std::string folder = folder_ / "tokenizer";
  ASSERT_TRUE(BuildNanoTokenizer(TestAssets(), folder).ok());
  const auto ours = LoadTokenizerFromFolder(folder);
  ASSERT_TRUE(ours.ok()) << ours.status().ToString();
  const std::string shipped = MCV_SOURCE_DIR "/models/nano";
  const auto theirs = TokenizerOfWeights(shipped);
  ASSERT_TRUE(theirs.ok()) << theirs.status().ToString();
  const Status same = CheckSameTokenizer(**theirs, **ours, shipped);
  EXPECT_TRUE(same.ok()) << same.ToString();
}

TEST_F(TrainerTest, WeightsOfAnotherSizeAreRefusedByName) {
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

}  // namespace
}  // namespace mcv::trainer
