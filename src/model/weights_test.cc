#include "model/weights.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

#include "formats/quant/quant.h"
#include "model/test_model.h"

namespace mcv {
namespace {

std::vector<float> Floats(const WeightView& view) {
  const size_t bytes = *RowBytes(view.type, uint64_t(view.cols)) * size_t(view.rows);
  return *Dequantize(view.type, {view.data, bytes}, uint64_t(view.rows), uint64_t(view.cols));
}

class WeightsTest : public ::testing::TestWithParam<std::string> {};

// Every tensor of the table is bound with the table's shape.
TEST_P(WeightsTest, BindsTheWholeTable) {
  const TestModel model(GetParam());
  ASSERT_NE(model.files, nullptr);
  const ModelConfig& config = model.config();
  const TextWeights& text = model.weights.text();
  const int64_t width = config.text.width;
  EXPECT_EQ(text.embedding.rows, config.text.vocab);
  EXPECT_EQ(text.head.cols, width);
  ASSERT_EQ(text.layers.size(), size_t(config.text.layers));
  for (const TextLayerWeights& layer : text.layers) {
    EXPECT_EQ(layer.q.weight.rows, config.text.heads * config.text.head_dim);
    EXPECT_EQ(layer.k.weight.rows, config.text.kv_heads * config.text.head_dim);
    EXPECT_EQ(layer.down.cols, config.text.ffn);
    EXPECT_EQ(layer.q.bias != nullptr, config.text.qkv_bias);
    EXPECT_TRUE(layer.attn_norm && layer.ffn_norm && !layer.gate.empty() && !layer.up.empty());
  }
  const VisionWeights& vision = model.weights.vision();
  ASSERT_EQ(vision.layers.size(), size_t(config.vision.layers));
  EXPECT_EQ(vision.patch.weight.cols, 3 * config.vision.patch * config.vision.patch);
  EXPECT_EQ(vision.positions.rows, config.vision.table_side * config.vision.table_side);
  for (const VisionLayerWeights& layer : vision.layers) {
    EXPECT_EQ(layer.fc1.weight.rows, config.vision.ffn);
    EXPECT_EQ(layer.fc2.weight.rows, config.vision.width);
    EXPECT_TRUE(layer.q.bias && layer.k.bias && layer.v.bias && layer.out.bias && layer.fc1.bias);
  }
  const ResamplerWeights& resampler = model.weights.resampler();
  EXPECT_EQ(resampler.proj.rows, width);
  EXPECT_EQ(resampler.positions != nullptr,
            config.resampler.positions != ResamplerPositions::kSinCos);
}

// The orientation in which y = x * proj^T is what the table means, whatever the file holds.
TEST_P(WeightsTest, ProjectionIsTurnedOnce) {
  const TestModel model(GetParam());
  ASSERT_NE(model.files, nullptr);
  const auto expected = ReadTensor(*model.files, *model.files->FindSpec("resampler.proj"));
  ASSERT_TRUE(expected.ok());
  EXPECT_EQ(Floats(model.weights.resampler().proj), *expected);
}

TEST_P(WeightsTest, VectorsAreTheFilesValues) {
  const TestModel model(GetParam());
  ASSERT_NE(model.files, nullptr);
  const auto norm = ReadTensor(*model.files, *model.files->FindSpec("text.final_norm"));
  ASSERT_TRUE(norm.ok());
  EXPECT_EQ(std::vector<float>(model.weights.text().final_norm,
                               model.weights.text().final_norm + norm->size()),
            *norm);
}

INSTANTIATE_TEST_SUITE_P(Files, WeightsTest, ::testing::Values(TestFolder20(), TestGguf25()),
                         [](const auto& info) { return info.index == 0 ? "Hf20" : "Gguf25"; });

TEST(WeightsOwnershipTest, MatricesStayInTheFile) {
  const TestModel gguf(TestGguf25());
  ASSERT_NE(gguf.files, nullptr);
  // Nothing of a GGUF with fp32 vectors needs a copy.
  EXPECT_EQ(gguf.weights.owned_bytes(), 0u);
  const TestModel hf(TestFolder20());
  ASSERT_NE(hf.files, nullptr);
  EXPECT_GT(hf.weights.owned_bytes(), 0u);
  EXPECT_LT(hf.weights.owned_bytes(), 400'000u);
}

}  // namespace
}  // namespace mcv
