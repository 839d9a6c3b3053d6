// The version table, configurations from HF texts, and every refusal of Validate.
#include "family/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "family/config_hf.h"
#include "family/test_models.h"

namespace mcv {
namespace {

using ::testing::HasSubstr;

ModelConfig Parse(const std::string& json, const std::string& preprocessor = "") {
  auto config = ParseHfConfig(json, preprocessor, "model");
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return config.ok() ? *config : ModelConfig();
}

std::string Replace(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Versions, EveryRowIsFoundByItsNames) {
  for (const VersionRow& row : AllVersions()) {
    EXPECT_EQ(&Row(row.version), &row);
    EXPECT_EQ(FindVersion(row.short_name).value(), row.version);
    EXPECT_EQ(FindTextArch(Row(row.text_arch).gguf_name)->arch, row.text_arch);
  }
  EXPECT_EQ(VersionList(), "1.0, 2.0, 2.5, 2.6");
  EXPECT_THAT(FindVersion("4.5").status().message(), HasSubstr("it runs 1.0, 2.0, 2.5, 2.6"));
}

TEST(HfConfig, FindsTheVersionWithoutAVersionKey) {
  EXPECT_EQ(Parse(Published10Config()).version, Version::kV1_0);
  EXPECT_EQ(Parse(Published20Config()).version, Version::kV2_0);
  EXPECT_EQ(Parse(Published25Config()).version, Version::kV2_5);
  EXPECT_EQ(Parse(Replace(Published26Config(), "\"version\": 2.6,", "")).version, Version::kV2_6);
}

TEST(HfConfig, TheVersionKeyMayBeANumberOrText) {
  EXPECT_EQ(Parse(Published26Config()).version, Version::kV2_6);
  const std::string text = Replace(Published26Config(), "2.6,", "\"2.6\",");
  EXPECT_EQ(Parse(text).version, Version::kV2_6);
  EXPECT_EQ(Parse(Published25Config(), R"({"version": 2.5})").version, Version::kV2_5);
  const auto newer = ParseHfConfig(Replace(Published26Config(), "2.6,", "4.5,"), "", "model");
  EXPECT_THAT(newer.status().ToString(), HasSubstr("unsupported: model: MiniCPM-V version '4.5'"));
}

TEST(HfConfig, Reads10) {
  const ModelConfig config = Parse(Published10Config());
  EXPECT_EQ(config.vision.width, 1152);
  EXPECT_EQ(config.vision.layers, 26);
  EXPECT_EQ(config.vision.table_side, 27);
  EXPECT_EQ(config.vision.activation, VisionActivation::kGeluErf);
  EXPECT_EQ(config.slicing.rule, SliceRule::kSquash);
  EXPECT_EQ(config.slicing.max_slices, 1);
  EXPECT_FLOAT_EQ(config.text.embedding_scale, 12.0f);
  EXPECT_FLOAT_EQ(config.text.residual_scale, 0.22135943621178655f);
  EXPECT_FLOAT_EQ(config.text.logit_divisor, 9.0f);
  EXPECT_EQ(config.resampler.heads, 18);
}

TEST(HfConfig, Reads25) {
  const ModelConfig config = Parse(Published25Config());
  EXPECT_EQ(config.vision.position_rule, PositionRule::kStrip);
  EXPECT_EQ(config.vision.table_side, 70);
  EXPECT_EQ(config.vision.layers, 27);
  EXPECT_EQ(config.text.kv_heads, 8);
  EXPECT_EQ(config.text.head_dim, 128);
  EXPECT_EQ(config.resampler.queries, 96);
  EXPECT_EQ(config.slicing.max_slices, 9);
  EXPECT_EQ(config.text.rope_pairing, RopePairing::kHalves);
}

TEST(HfConfig, OwnKeysAndPreprocessorCount) {
  const std::string json =
      Replace(Published25Config(), "{", R"({"position_rule": "grid", "version": "2.5",)");
  const ModelConfig config = Parse(
      json, R"({"max_slice_nums": 1, "scale_resolution": 84, "norm_mean": [0.25, 0.5, 0.5]})");
  EXPECT_EQ(config.vision.position_rule, PositionRule::kGrid);
  EXPECT_EQ(config.slicing.max_slices, 1);
  EXPECT_EQ(config.slicing.scale_resolution, 84);
  EXPECT_FLOAT_EQ(config.image_mean[0], 0.25f);
}

TEST(HfConfig, RefusesWhatItCannotRun) {
  const struct {
    std::string json;
    const char* message;
  } cases[] = {
      {"", "is not valid JSON"},
      {"[1]", "expected a JSON object, found array"},
      {"{}", "cannot tell the version"},
      {Replace(Published25Config(), "4096", "\"wide\""),
       "key 'hidden_size': expected a whole number of 32 bits, found string"},
      {Replace(Published25Config(), "4096", "4096.5"), "key 'hidden_size'"},
      {Replace(Published25Config(), "4096", "1e300"), "key 'hidden_size'"},
      {Replace(Published25Config(), "\"vocab_size\": 128256,", ""),
       "key 'vocab_size': expected a whole number of 32 bits, it is missing"},
      {Replace(Published25Config(), "\"silu\"", "\"relu\""), "hidden_act is 'relu'"},
      {Replace(Published25Config(), "\"rope_scaling\": null", "\"rope_scaling\": {}"),
       "rope_scaling is set"},
      {Replace(Published25Config(), "\"num_key_value_heads\": 8", "\"num_key_value_heads\": 7"),
       "the number of query heads 32 is not a multiple of the number of key/value heads 7"},
      {Replace(Published20Config(), "vit_so400m", "vit_large"), "vision_encoder is"},
  };
  for (const auto& each : cases) {
    const auto config = ParseHfConfig(each.json, "", "model");
    ASSERT_FALSE(config.ok()) << each.message;
    EXPECT_THAT(config.status().message(), HasSubstr(each.message));
  }
}

TEST(HfConfig, RefusesAPreprocessorOfAnotherModel) {
  const auto config = ParseHfConfig(Published25Config(), R"({"image_feature_size": 64})", "model");
  EXPECT_THAT(config.status().message(), HasSubstr("query_num 96"));
  EXPECT_THAT(config.status().message(), HasSubstr("image_feature_size 64"));
}

TEST(Validate, NamesWhatIsWrong) {
  using Damage = std::function<void(ModelConfig&)>;
  const struct {
    Damage damage;
    const char* message;
  } cases[] = {
      {[](ModelConfig& c) { c.text.layers = 0; }, "text layers is 0, expected 1 to 1024"},
      {[](ModelConfig& c) { c.text.layers = 1 << 30; }, "text layers"},
      {[](ModelConfig& c) { c.text.width = 65537; }, "text width"},
      {[](ModelConfig& c) { c.text.ffn = -1; }, "feed-forward width"},
      {[](ModelConfig& c) { c.text.kv_heads = 0; }, "key/value heads"},
      {[](ModelConfig& c) { c.text.head_dim = 127; }, "rotary pairs"},
      {[](ModelConfig& c) { c.text.head_dim = 1024, c.text.heads = 128; }, "all query heads"},
      {[](ModelConfig& c) { c.text.vocab = (1 << 22) + 1; }, "vocabulary"},
      {[](ModelConfig& c) { c.text.max_positions = 0; }, "context length"},
      {[](ModelConfig& c) { c.text.rms_eps = 0; }, "RMS epsilon"},
      {[](ModelConfig& c) { c.text.rope_theta = std::numeric_limits<float>::quiet_NaN(); },
       "rope theta"},
      {[](ModelConfig& c) { c.text.logit_divisor = std::numeric_limits<float>::infinity(); },
       "logit divisor"},
      {[](ModelConfig& c) { c.text.arch = TextArch::kQwen2; },
       "the language model is qwen2 but version 2.5 has llama"},
      {[](ModelConfig& c) { c.text.vocab = 1 << 22, c.text.width = 65536; }, "2^36"},
      {[](ModelConfig& c) { c.vision.heads = 7; }, "vision heads"},
      {[](ModelConfig& c) { c.vision.patch = 0; }, "patch size"},
      {[](ModelConfig& c) { c.vision.table_side = 0; }, "position table"},
      {[](ModelConfig& c) { c.vision.position_rule = PositionRule::kInterpolated; },
       "position rule 'interpolated' does not fit version 2.5"},
      {[](ModelConfig& c) { c.resampler.width = 2048; },
       "resampler width is 2048 but the text width is 4096"},
      {[](ModelConfig& c) { c.resampler.kv_width = 1; }, "resampler input width"},
      {[](ModelConfig& c) { c.resampler.heads = 16; }, "resampler heads"},
      {[](ModelConfig& c) { c.resampler.queries = 5000; }, "number of queries"},
      {[](ModelConfig& c) { c.slicing.patch = 16; }, "slice patch size"},
      {[](ModelConfig& c) { c.slicing.max_slices = 0; }, "largest number of slices"},
      {[](ModelConfig& c) { c.slicing.scale_resolution = 7; }, "scale resolution"},
      {[](ModelConfig& c) { c.image_std[1] = 0; }, "standard deviation"},
  };
  for (const auto& each : cases) {
    ModelConfig config = Parse(Published25Config());
    ASSERT_TRUE(Validate(config).ok());
    each.damage(config);
    const Status status = Validate(config);
    ASSERT_FALSE(status.ok()) << each.message;
    EXPECT_THAT(status.message(), HasSubstr(each.message));
  }
}

TEST(Validate, StoredPositionsNeedASquareOfQueries) {
  ModelConfig config = Parse(Published20Config());
  config.resampler.queries = 63;
  EXPECT_THAT(Validate(config).message(), HasSubstr("is not a square"));
}

TEST(Validate, WithoutVisionOnlyTheTextCounts) {
  ModelConfig config = Parse(Published25Config());
  config.has_vision = false;
  config.vision.width = 0;
  EXPECT_TRUE(Validate(config).ok());
}

}  // namespace
}  // namespace mcv
