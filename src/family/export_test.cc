// What the writers give is read back: equal tensors, equal configuration, and where a golden GGUF
// exists, the same bytes under the same names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/file_writer.h"
#include "base/half.h"
#include "base/random.h"
#include "family/config_hf.h"
#include "family/export_gguf.h"
#include "family/export_hf.h"
#include "family/test_models.h"
#include "tests/support/goldens.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ExportTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  TestFolder folder_{"export_test"};
};

// A model of the given version, small enough for a test, with random weights that are exact in
// fp16.
ModelConfig SmallConfig(Version version) {
  ModelConfig config;
  config.version = version;
  const VersionRow& row = Row(version);
  config.text = {.arch = row.text_arch,
                 .layers = 2,
                 .width = 128,
                 .ffn = 96,
                 .heads = 2,
                 .kv_heads = 1,
                 .head_dim = 64,
                 .vocab = 40,
                 .max_positions = 256};
  config.text.qkv_bias = Row(row.text_arch).qkv_bias;
  if (Row(row.text_arch).minicpm_scales) {
    config.text.embedding_scale = 12.0f;
    config.text.residual_scale = static_cast<float>(1.4 / std::sqrt(2.0));
    config.text.logit_divisor = 2.0f;
  }
  config.vision.width = 32;
  config.vision.layers = 1;
  config.vision.heads = 2;
  config.vision.ffn = 64;
  config.vision.table_side = 6;
  config.vision.activation = row.activation;
  config.vision.position_rule = row.position_rule;
  config.resampler = {.queries = 4, .width = 128, .kv_width = 32, .heads = 1};
  config.resampler.positions = row.resampler_positions;
  config.slicing.rule = row.slice_rule;
  if (row.slice_rule == SliceRule::kSquash) config.slicing.max_slices = 1;
  config.name = "small";
  return config;
}

Result<std::vector<float>> RandomTensor(const TensorSpec& spec) {
  RandomStream random(7, std::hash<std::string>{}(spec.id));
  std::vector<float> values(spec.elements());
  for (float& value : values) {
    value = HalfToFloat(FloatToHalf(static_cast<float>(random.Normal()) * 0.1f));
  }
  return values;
}

TokenizerData AnyTokenizer(const ModelConfig& config) {
  TokenizerData data;
  const bool pieces = config.row().tokenizer == TokenizerKind::kSentencePiece;
  data.model = pieces ? "llama" : "gpt2";
  data.pre = "default";
  for (int id = 0; id < config.text.vocab; ++id) {
    data.tokens.push_back("t" + std::to_string(id));
    data.types.push_back(1);
    if (pieces) data.scores.push_back(-static_cast<float>(id));
  }
  if (!pieces) data.merges = {"t 1"};
  data.eos = 2;
  data.chat_template = "{{ messages }}";
  return data;
}

class EveryVersion : public ExportTest, public ::testing::WithParamInterface<Version> {};
INSTANTIATE_TEST_SUITE_P(Versions, EveryVersion,
                         ::testing::Values(Version::kV1_0, Version::kV2_0, Version::kV2_5,
                                           Version::kV2_6));

void ExpectReadsBack(const ModelFiles& files, const ModelConfig& config) {
  EXPECT_EQ(files.config().version, config.version);
  EXPECT_TRUE(files.config().has_vision);
  EXPECT_EQ(files.config().vision.position_rule, config.vision.position_rule);
  EXPECT_EQ(files.config().vision.table_side, config.vision.table_side);
  EXPECT_EQ(files.config().slicing.scale_resolution, config.slicing.scale_resolution);
  EXPECT_EQ(files.config().slicing.max_slices, config.slicing.max_slices);
  EXPECT_EQ(files.config().text.rms_eps, config.text.rms_eps);
  EXPECT_EQ(files.config().text.residual_scale, config.text.residual_scale);
  EXPECT_EQ(files.config().text.logit_divisor, config.text.logit_divisor);
  EXPECT_TRUE(files.CheckComplete().unexpected.empty());
  for (const TensorSpec& spec : files.tensors()) {
    const auto stored = ReadTensor(files, spec);
    ASSERT_TRUE(stored.ok()) << stored.status().ToString();
    EXPECT_EQ(*stored, *RandomTensor(spec)) << spec.id;
  }
}

TEST_P(EveryVersion, GgufPairReadsBackEqual) {
  GgufExport source{.config = SmallConfig(GetParam()), .tensor = RandomTensor};
  source.tokenizer = AnyTokenizer(source.config);
  ASSERT_TRUE(WriteTextGguf(source, Path("llm.gguf")).ok());
  const Status vision = WriteVisionGguf(source, Path("mmproj.gguf"));
  ASSERT_TRUE(vision.ok()) << vision.ToString();
  const auto files = ModelFiles::Open(Path("llm.gguf"));
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  ExpectReadsBack(*files, source.config);
}

TEST_P(EveryVersion, HfFolderReadsBackEqual) {
  const HfExport source{.config = SmallConfig(GetParam()), .tensor = RandomTensor};
  const Status status = WriteHfFolder(source, Path("hf"));
  ASSERT_TRUE(status.ok()) << status.ToString();
  const auto files = ModelFiles::Open(Path("hf"));
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  ExpectReadsBack(*files, source.config);
}

TEST_F(ExportTest, OwnKeysOfATrainedModelSurvive) {
  GgufExport source{.config = SmallConfig(Version::kV2_5), .tensor = RandomTensor};
  source.config.vision.position_rule = PositionRule::kGrid;
  source.config.slicing.max_slices = 1;
  source.config.slicing.scale_resolution = 84;
  source.tokenizer = AnyTokenizer(source.config);
  ASSERT_TRUE(WriteTextGguf(source, Path("llm.gguf")).ok());
  ASSERT_TRUE(WriteVisionGguf(source, Path("mmproj.gguf")).ok());
  const auto files = ModelFiles::Open(folder_.string());
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  ExpectReadsBack(*files, source.config);
  HfExport hf{.config = source.config, .tensor = RandomTensor};
  ASSERT_TRUE(WriteHfFolder(hf, Path("hf")).ok());
  ExpectReadsBack(*ModelFiles::Open(Path("hf")), source.config);
}

TEST_F(ExportTest, QuantisedPairKeepsTheTypesOfTheMix) {
  GgufExport source{.config = SmallConfig(Version::kV2_5), .tensor = RandomTensor};
  source.text_mix = source.vision_mix = QuantMix::kQ8_0;
  source.tokenizer = AnyTokenizer(source.config);
  ASSERT_TRUE(WriteTextGguf(source, Path("llm.gguf")).ok());
  ASSERT_TRUE(WriteVisionGguf(source, Path("mmproj.gguf")).ok());
  const auto files = ModelFiles::Open(folder_.string());
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  EXPECT_EQ(files->Find("text.0.attn_q")->type, DType::kQ8_0);
  EXPECT_EQ(files->Find("vision.0.fc2")->type, DType::kQ8_0);
  EXPECT_EQ(files->Find("vision.patch")->type, DType::kF16);
  EXPECT_EQ(files->Find("vision.positions")->type, DType::kF16);
  EXPECT_EQ(files->Find("resampler.query")->type, DType::kF32);
  EXPECT_EQ(files->Find("text.0.attn_norm")->type, DType::kF32);
  for (const TensorSpec& spec : files->tensors()) {
    const auto stored = *ReadTensor(*files, spec);
    const auto exact = *RandomTensor(spec);
    // Half a step of the largest value in a block: 0.6 / 127 / 2 for a normal of deviation 0.1.
    for (size_t i = 0; i < stored.size(); ++i) ASSERT_NEAR(stored[i], exact[i], 3e-3) << spec.id;
  }
}

// Counts of published Q4_K_M files (model-spec 3.6).
TEST_F(ExportTest, Q4KMMixOfPublishedModels) {
  const auto census = [](const std::string& json) {
    const ModelConfig config = *ParseHfConfig(json, "", "model");
    std::map<DType, int> count;
    for (const TensorSpec& spec : TensorTable(config)) {
      if (spec.file == TensorFile::kText) ++count[StoredType(spec, QuantMix::kQ4_K_M, config)];
    }
    return count;
  };
  EXPECT_EQ(census(Published25Config()),
            (std::map<DType, int>{{DType::kF32, 65}, {DType::kQ4_K, 193}, {DType::kQ6_K, 33}}));
  // 5760 columns are no whole 256-blocks: ffn_down becomes Q5_0 and Q8_0.
  const auto v20 = census(Published20Config());
  EXPECT_EQ(v20.at(DType::kQ5_0) + v20.at(DType::kQ8_0), 40);
  EXPECT_EQ(v20.at(DType::kF32), 81);
}

// The goldens' own GGUF files hold the same bytes as a conversion of the goldens' HF folders.
struct Conversion {
  const char* model;
  const char* llm;
  const char* mmproj;
  QuantMix text_mix, vision_mix;
};
class GoldenConversion : public ExportTest, public ::testing::WithParamInterface<Conversion> {};
INSTANTIATE_TEST_SUITE_P(Goldens, GoldenConversion,
                         ::testing::Values(Conversion{"v20_tiny", "llm-f16.gguf", "mmproj-f16.gguf",
                                                      QuantMix::kF16, QuantMix::kF16},
                                           Conversion{"v25_tiny", "llm-f32.gguf", "mmproj-f32.gguf",
                                                      QuantMix::kF32, QuantMix::kF32},
                                           Conversion{"v26_tiny", "llm-f32.gguf", "mmproj-f16.gguf",
                                                      QuantMix::kF32, QuantMix::kF16}),
                         [](const auto& info) { return std::string(info.param.model); });

void ExpectSameTensors(const std::string& ours_path, const std::string& golden_path) {
  const auto ours = GgufFile::Open(ours_path);
  const auto golden = GgufFile::Open(golden_path);
  ASSERT_TRUE(ours.ok()) << ours.status().ToString();
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  EXPECT_EQ(ours->tensors().size(), golden->tensors().size());
  for (const GgufTensor& tensor : golden->tensors()) {
    if (tensor.name == "resampler.pos_embed_k") continue;  // F16 or F32 by taste
    const GgufTensor* mine = ours->FindTensor(tensor.name);
    ASSERT_NE(mine, nullptr) << tensor.name;
    EXPECT_EQ(mine->type, tensor.type) << tensor.name;
    EXPECT_EQ(mine->dims, tensor.dims) << tensor.name;
    EXPECT_TRUE(
        std::equal(mine->data.begin(), mine->data.end(), tensor.data.begin(), tensor.data.end()))
        << tensor.name;
  }
  // Every key of the golden file that is not about the file itself is there with the same value.
  for (const GgufKey& key : golden->keys()) {
    const bool own_taste = key.name == "general.name" || key.name == "tokenizer.chat_template" ||
                           key.name == "tokenizer.ggml.eos_token_id";
    if (own_taste) continue;
    const GgufValue* mine = ours->FindKey(key.name);
    ASSERT_NE(mine, nullptr) << key.name;
    EXPECT_EQ(mine->type, key.value.type) << key.name;
    EXPECT_EQ(mine->value, key.value.value) << key.name;
  }
}

TEST_P(GoldenConversion, EqualsTheGoldenPair) {
  const Conversion& model = GetParam();
  const std::string base = std::string("models/") + model.model;
  MCV_GOLDEN_OR_SKIP(weights, base + "/hf/model.safetensors");
  MCV_GOLDEN_OR_SKIP(mmproj, base + "/gguf/" + model.mmproj);
  MCV_GOLDEN_OR_SKIP(llm, base + "/gguf/" + model.llm);
  const std::string folder = fs::path(weights).parent_path().string();
  const auto hf = ModelFiles::Open(folder);
  ASSERT_TRUE(hf.ok()) << hf.status().ToString();
  auto tokenizer = ReadTokenizerData(folder, hf->config());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  const GgufExport source{.config = hf->config(),
                          .tensor = TensorsOf(*hf),
                          .tokenizer = *std::move(tokenizer),
                          .text_mix = model.text_mix,
                          .vision_mix = model.vision_mix};
  ASSERT_TRUE(WriteTextGguf(source, Path("llm.gguf")).ok());
  ASSERT_TRUE(WriteVisionGguf(source, Path("mmproj.gguf")).ok());
  ExpectSameTensors(Path("llm.gguf"), llm);
  ExpectSameTensors(Path("mmproj.gguf"), mmproj);
}

TEST_F(ExportTest, RefusesWhatDoesNotFit) {
  GgufExport source{.config = SmallConfig(Version::kV2_5), .tensor = RandomTensor};
  EXPECT_THAT(WriteTextGguf(source, Path("llm.gguf")).message(),
              HasSubstr("the tokenizer has 0 tokens"));
  source.tokenizer = AnyTokenizer(source.config);
  source.tensor = [](const TensorSpec&) { return std::vector<float>(3); };
  EXPECT_THAT(WriteTextGguf(source, Path("llm.gguf")).message(), HasSubstr("values, got 3"));
  EXPECT_FALSE(fs::exists(Path("llm.gguf")));
  source.config.has_vision = false;
  EXPECT_THAT(WriteVisionGguf(source, Path("mmproj.gguf")).message(), HasSubstr("no vision part"));
  HfExport hf{.config = SmallConfig(Version::kV2_5), .tensor = RandomTensor, .type = DType::kQ8_0};
  EXPECT_THAT(WriteHfFolder(hf, Path("hf")).message(), HasSubstr("not Q8_0"));
}

TEST(QuantMixes, AreFoundByName) {
  EXPECT_EQ(*FindQuantMix("Q4_K_M"), QuantMix::kQ4_K_M);
  EXPECT_EQ(QuantMixName(*FindQuantMix("q8_0")), "q8_0");
  EXPECT_THAT(FindQuantMix("q9").status().message(), HasSubstr("known are f32, f16, bf16"));
}

}  // namespace
}  // namespace mcv
