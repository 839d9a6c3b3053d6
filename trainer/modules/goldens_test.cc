// The modules against golden values of every stage: tiny models with random weights whose encoder
// output, resampler output and logits a PyTorch reference computed in fp32.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "family/config_hf.h"
#include "formats/image/image.h"
#include "formats/npy/npy.h"
#include "trainer/checkpoint/weights.h"
#include "trainer/recipes/batch.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

std::string SharedGoldens() {
  const char* folder = std::getenv("MCV_GOLDENS");
  return folder != nullptr ? folder : MCV_SHARED_GOLDENS;
}

nlohmann::json ReadJson(const fs::path& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

Tensor ReadArray(const fs::path& path) {
  const Result<NpyArray> array = ReadNpy(path.string());
  if (!array.ok()) return Tensor();
  return torch::tensor(at::ArrayRef<float>(array.value().values));
}

double LargestDifference(const Tensor& a, const Tensor& b) {
  return (a.flatten() - b.flatten()).abs().max().item<double>();
}

// The goldens keep elements 0, 97, 194, ... of large results.
Tensor Every97(const Tensor& t) { return t.flatten().slice(0, 0, t.numel(), 97); }

std::vector<int32_t> IdsOf(const nlohmann::json& expected) {
  std::vector<int32_t> ids;
  if (expected.contains("ids")) return expected["ids"].get<std::vector<int32_t>>();
  for (const auto& run : expected["ids_runs"]) {
    ids.insert(ids.end(), run[1].get<size_t>(), run[0].get<int32_t>());
  }
  return ids;
}

// The last row of the prompt is the one whose next token is asked.
TextBatch PromptBatch(const std::vector<int32_t>& ids, int image_begin, int queries) {
  ChatTokens chat;
  chat.ids = ids;
  chat.target.assign(ids.size(), -1);
  chat.target.back() = 0;
  chat.image_begin = image_begin;
  Tensor unused;
  return MakeTextBatch({chat}, queries, unused);
}

struct GoldenRun {
  const char* model;
  const char* run;
};

class GoldenRunTest : public testing::TestWithParam<GoldenRun> {};

TEST_P(GoldenRunTest, EveryStageEqualsTheReference) {
  const fs::path goldens = SharedGoldens();
  const fs::path hf = goldens / "models" / GetParam().model / "hf";
  const fs::path expected_dir = goldens / "expected" / GetParam().run;
  if (!fs::exists(hf / "model.safetensors") || !fs::exists(expected_dir)) {
    GTEST_SKIP() << "the full goldens are not at " << goldens << " (set MCV_GOLDENS)";
  }
  const torch::NoGradGuard guard;
  const Result<ModelConfig> config = ReadHfConfig(hf.string());
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  MiniCpmV model(config.value());
  NamedTensors parameters;
  for (const auto& p : model.named_parameters()) parameters.emplace_back(p.key(), p.value());
  const Status loaded = LoadTensors((hf / "model.safetensors").string(), parameters);
  ASSERT_TRUE(loaded.ok()) << loaded.ToString();

  const nlohmann::json expected = ReadJson(expected_dir / "img_448x448.json");
  const Result<DecodedImage> decoded = LoadImage((goldens / "images/img_448x448.png").string());
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  const Image& image = decoded.value().image;
  const Picture picture{image.width, image.height, image.pixels};
  const PictureBatch batch = MakePictureBatch({&picture}, config.value().vision.table_side);
  const auto ids = expected["position_ids"][0].get<std::vector<int64_t>>();
  EXPECT_TRUE(torch::equal(batch.position_ids, torch::tensor(at::ArrayRef<int64_t>(ids))));

  const auto file = [&](const char* key) {
    return expected_dir / expected[key].get<std::string>();
  };
  const Tensor embedded = model.vpm().Embed(batch.patches, batch.position_ids, at::kFloat);
  EXPECT_LT(LargestDifference(Every97(embedded), ReadArray(file("vit_embedding_every97"))), 1e-4);
  const Tensor layer1 = model.vpm().RunLayers(embedded, batch.offsets, 1, at::kFloat);
  EXPECT_LT(LargestDifference(Every97(layer1), ReadArray(file("vit_layer1_every97"))), 1e-4);
  const Tensor encoded = model.Encode(batch, at::kFloat);
  EXPECT_LT(LargestDifference(Every97(encoded), ReadArray(file("vit_every97"))), 1e-4);
  const Tensor features = model.Resample(encoded, batch);
  EXPECT_LT(LargestDifference(features, ReadArray(file("resampler_overview"))), 1e-4);
  const TextBatch text = PromptBatch(IdsOf(expected), expected["image_spans"][0][0].get<int>(),
                                     config.value().resampler.queries);
  const Tensor logits = model.Decode(features, text, at::kFloat);
  EXPECT_LT(LargestDifference(logits[0], ReadArray(file("prefill_logits"))), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Runs, GoldenRunTest,
                         testing::Values(GoldenRun{"v25_tiny", "v25_tiny.grid"},
                                         GoldenRun{"v26_tiny", "v26_tiny"}),
                         [](const auto& info) { return std::string(info.param.model); });

// MiniCPM's decoder: scaled embeddings, residual branches and logits.
TEST(GoldenDecoderTest, MiniCpmLogitsEqualTheReference) {
  const fs::path goldens = MCV_TESTDATA "/goldens";
  const fs::path hf = goldens / "models/v20_tiny/hf";
  const torch::NoGradGuard guard;
  const Result<ModelConfig> config = ReadHfConfig(hf.string());
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  Decoder decoder(config.value().text);
  NamedTensors parameters;
  for (const auto& p : decoder.named_parameters()) {
    parameters.emplace_back("llm." + p.key(), p.value());
  }
  const Status loaded =
      LoadTensors((hf / "model.safetensors").string(), parameters, {{}, {"vpm.", "resampler."}});
  ASSERT_TRUE(loaded.ok()) << loaded.ToString();
  const fs::path run = goldens / "expected/v20_tiny";
  const nlohmann::json expected = ReadJson(run / "text_one_turn.json");
  const TextBatch text = PromptBatch(IdsOf(expected), 0, 0);
  const Tensor logits =
      decoder.Forward(decoder.Embed(text.ids), text.offsets, text.kept_rows, at::kFloat);
  const Tensor want = ReadArray(run / expected["prefill_logits"].get<std::string>());
  ASSERT_TRUE(want.defined());
  EXPECT_LT(LargestDifference(logits[0], want), 1e-3);
}

}  // namespace
}  // namespace mcv::trainer
