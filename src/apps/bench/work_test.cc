// Operation counts against the published sizes of Llama3-V 2.5, worked out by hand:
// a token takes 13.96 G operations in the layers, a view 1.05 T.
#include "apps/bench/work.h"

#include <gtest/gtest.h>

#include "apps/bench/limit.h"
#include "apps/bench/values.h"
#include "family/config_hf.h"
#include "family/test_models.h"
#include "model/test_model.h"

namespace mcv::bench {
namespace {

ModelConfig Published25() {
  auto config = ParseHfConfig(Published25Config(), "", "model");
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return config.ok() ? *config : ModelConfig();
}

TEST(WorkTest, ATokenOf25) {
  const TextConfig text = Published25().text;
  EXPECT_NEAR(LayerOperationsPerToken(text), 13.96e9, 0.01e9);
  // One token: the layers, one key, the head.
  EXPECT_NEAR(PrefillOperations(text, 1), 13.96e9 + 0.524e6 + 1.051e9, 0.01e9);
  // 512 tokens see 256.5 keys on average: 16,384 operations each in a layer. In the last layer 511
  // of them need keys and values alone, 16.78 M operations.
  const double layer = LayerOperationsPerToken(text) / 32;
  EXPECT_NEAR(
      PrefillOperations(text, 512),
      31 * (512 * layer + 512 * 256.5 * 16'384) + layer + 512 * 16'384 + 511 * 16.78e6 + 1.051e9,
      0.01e9);
}

TEST(WorkTest, AViewOf25) {
  const ModelConfig config = Published25();
  EXPECT_NEAR(ViewOperations(config, 1024), 1.05e12, 0.02e12);
  // Twice the patches: twice the linear part, four times the tower's attention.
  EXPECT_GT(ViewOperations(config, 2048), 2.2 * ViewOperations(config, 1024));
  EXPECT_NEAR(PictureOperations(config, 448), 1.05e12, 0.02e12);
  EXPECT_NEAR(PictureOperations(config, 1344), 10.5e12, 0.2e12);
  EXPECT_EQ(ViewSide(config), 448);
  EXPECT_EQ(PictureViews(config), 10);
}

TEST(WorkTest, BytesOfATokenAreThoseOfTheMatrices) {
  const TestModel model(TestGguf25());
  uint64_t expected = 0;
  for (const TensorSpec& spec : model.files->tensors()) {
    if (spec.file != TensorFile::kText || spec.kind == TensorKind::kVector) continue;
    const auto data = model.files->Find(spec);
    ASSERT_TRUE(data.ok());
    if (spec.id == "text.embed") {
      expected += data->bytes.size() / static_cast<size_t>(spec.rows);
    } else {
      expected += data->bytes.size();
    }
  }
  EXPECT_EQ(WeightBytesPerToken(model.weights.text()), expected);
}

class LimitTest : public ::testing::Test {
 protected:
  LimitTest() {
    model_.config = Published25();
    model_.text_bytes = 4'900'000'000u;
    model_.vision_bytes = 1'100'000'000u;
    model_.weight_bytes_per_token = 4'600'000'000u;
    model_.cache_bytes_per_position = 131'072;
    model_.quantised = true;
    machine_ = {50e9, 0.43e12, 0.94e12, 1.89e12};
  }
  double Limit(const Row& row, int64_t prompt_tokens = 0) {
    const auto limit = LimitOf(row, model_, machine_, prompt_tokens, 32);
    return limit ? limit->value : -1.0;
  }
  ModelFacts model_;
  Limits machine_;
};

TEST_F(LimitTest, IsWorkDividedByTheRate) {
  EXPECT_NEAR(Limit({RowKind::kEncodeView}), 1.13, 0.02);
  EXPECT_NEAR(Limit({RowKind::kEncodePicture}), 1.13, 0.02);
  EXPECT_NEAR(Limit({RowKind::kPrefill, 256}), 138.9, 0.2);
  EXPECT_NEAR(Limit({RowKind::kDecode, 0}), 10.87, 0.02);
  EXPECT_NEAR(Limit({RowKind::kDecode, 4096}), 50e9 / (4.6e9 + 131'072 * 4112.0), 1e-6);
  EXPECT_NEAR(Limit({RowKind::kFirstTokenWarm}, 1019), 11.3 + 7.44, 0.3);
  EXPECT_NEAR(Limit({RowKind::kMemory}, 1000), 4.9e9 + 131'072e3, 1.0);
}

TEST_F(LimitTest, UsesWhatTheMachineAndTheNumericsHave) {
  EXPECT_EQ(LimitOf({RowKind::kEncodeView}, model_, machine_, 0, 32)->basis, "bf16");
  machine_.bf16_ops = 0;
  EXPECT_EQ(LimitOf({RowKind::kEncodeView}, model_, machine_, 0, 32)->basis, "fp32");
  EXPECT_EQ(LimitOf({RowKind::kPrefill, 96}, model_, machine_, 0, 32)->basis, "int8");
  EXPECT_EQ(LimitOf({RowKind::kFirstTokenWarm}, model_, machine_, 9, 32)->basis, "fp32 + int8");
  model_.numerics = model_.encoder_numerics = Numerics::kExact;
  EXPECT_EQ(LimitOf({RowKind::kPrefill, 96}, model_, machine_, 0, 32)->basis, "fp32");
}

TEST_F(LimitTest, WhatIsNotBoundedHasNone) {
  EXPECT_EQ(Limit({RowKind::kLoad}), -1.0);
  EXPECT_EQ(Limit({RowKind::kFirstTokenCold}, 1019), -1.0);
  EXPECT_EQ(Limit({RowKind::kFirstTokenWarm}), -1.0);
  EXPECT_EQ(Limit({RowKind::kMemory}), -1.0);
  machine_ = {};
  EXPECT_EQ(Limit({RowKind::kDecode, 0}), -1.0);
  EXPECT_EQ(Limit({RowKind::kEncodeView}), -1.0);
}

TEST_F(LimitTest, SharesPointTheSameWay) {
  EXPECT_DOUBLE_EQ(ShareOfLimit({RowKind::kEncodeView}, 2.0, {1.0, ""}), 0.5);
  EXPECT_DOUBLE_EQ(ShareOfLimit({RowKind::kPrefill, 96}, 50.0, {100.0, ""}), 0.5);
  EXPECT_EQ(ShareOfLimit({RowKind::kMemory}, 0.0, {1.0, ""}), 0.0);
}

TEST(MachineLimitsTest, ATargetIsNotMeasuredWithWiderInstructions) {
  const Limits plain = MeasureLimits(1, 1, "avx2");
  EXPECT_GT(plain.read_bytes, 0.0);
  EXPECT_GT(plain.fp32_ops, 0.0);
  EXPECT_EQ(plain.bf16_ops, 0.0);
}

TEST(MachineLimitsTest, ReadsTakeAtLeastOnePass) { EXPECT_GT(MeasureReadRate(1, 0.0), 0.0); }

TEST(ValuesTest, AreShortAndCarryTheirUnit) {
  EXPECT_EQ(ValueText({RowKind::kEncodeView}, 0.0123), "12.3 ms");
  EXPECT_EQ(ValueText({RowKind::kEncodeView}, 46.84), "46.8 s");
  EXPECT_EQ(ValueText({RowKind::kPrefill, 96}, 8.756), "8.76 tokens/s");
  EXPECT_EQ(ValueText({RowKind::kMemory}, 4.698e9), "4.70 GB");
  EXPECT_EQ(ValuesText({RowKind::kLoad}, {0.5, 1.5}, 0.9), "500 1500");
  EXPECT_EQ(PercentText(0.644), "64 %");
  EXPECT_EQ(PercentText(0.0123), "1.2 %");
  EXPECT_EQ(CountText(1024), "1,024");
  EXPECT_EQ(CountText(12), "12");
  EXPECT_EQ(RowTitle({RowKind::kDecode, 4096}, Published25()), "decode after 4,096 tokens");
  EXPECT_EQ(RowTitle({RowKind::kEncodePicture}, Published25()), "encode 1344x1344, per view of 10");
}

}  // namespace
}  // namespace mcv::bench
