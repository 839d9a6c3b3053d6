// What is planned for a pass is what it takes, for every way to multiply that this machine has.
#include "model/pass_memory.h"

#include <gtest/gtest.h>

#include <tuple>

#include "model/test_model.h"
#include "model/text/decoder.h"
#include "model/vision/vision_encoder.h"

namespace mcv {
namespace {

constexpr int kThreads = 3;

class PassMemoryTest
    : public ::testing::TestWithParam<std::tuple<std::string_view, std::string, Numerics>> {
 protected:
  PassMemoryTest()
      : model_(std::get<1>(GetParam()), {}, kThreads, std::string(std::get<0>(GetParam()))) {
    model_.context.numerics = std::get<2>(GetParam());
    auto shapes = Weights::BindShapes(*model_.files);
    EXPECT_TRUE(shapes.ok()) << shapes.status().ToString();
    shapes_ = *std::move(shapes);
  }
  ScratchSetting Setting() const {
    return {model_.context.table, model_.context.numerics, kThreads};
  }
  int64_t ScratchTaken() const { return model_.context.scratch.size(); }

  TestModel model_;
  Weights shapes_;
};

TEST_P(PassMemoryTest, AViewTakesWhatIsPlanned) {
  const ModelConfig& config = model_.config();
  VisionEncoder encoder(config, model_.weights.vision(), model_.weights.resampler(),
                        model_.context);
  const int rows = 9, cols = 7;
  const View view{
      {14 * cols, 14 * rows, std::vector<uint8_t>(14 * cols * 14 * rows * 3)}, rows, cols};
  const std::vector<PatchGrid> grids = {{rows, cols}};
  std::vector<float> out(size_t(encoder.rows_per_view()) * size_t(encoder.width()));
  ASSERT_TRUE(encoder
                  .Encode(view, PositionIds(grids, config.vision)[0], {},
                          {out.data(), encoder.rows_per_view(), encoder.width()})
                  .ok());
  const ViewMemory planned = MemoryOfView(config, shapes_, rows * cols, {rows, cols}, Setting());
  EXPECT_EQ(ScratchTaken(), planned.scratch);
  VisionActivations activations;
  activations.Shape(config, rows * cols);
  EXPECT_EQ(activations.capacity_bytes(), planned.activations);
}

TEST_P(PassMemoryTest, APromptTakesWhatIsPlanned) {
  const TextConfig& config = model_.config().text;
  const std::vector<int32_t> ids(40, 5);
  std::vector<float> logits(size_t(config.vocab));
  auto decoder = Decoder::Create(config, model_.weights.text(),
                                 {.capacity = 64, .cache_type = DType::kF16, .batch_tokens = 32},
                                 model_.context);
  ASSERT_TRUE(decoder.ok());
  const auto sequence = (*decoder)->NewSequence();
  ASSERT_TRUE(Append(**decoder, *sequence, {ids, {}}, {}, {logits.data(), 1, config.vocab}).ok());
  const BatchMemory planned = MemoryOfBatch(config, shapes_.text(), DType::kF16, 32, 40, Setting());
  EXPECT_EQ(ScratchTaken(), planned.scratch);
  TextActivations activations;
  activations.Shape(config, 32);
  EXPECT_EQ(activations.capacity_bytes(), planned.activations);
}

TEST_P(PassMemoryTest, ShapesOwnWhatWeightsOwn) {
  EXPECT_EQ(shapes_.owned_bytes(), model_.weights.owned_bytes());
  EXPECT_EQ(shapes_.resampler().proj.rows, model_.weights.resampler().proj.rows);
}

INSTANTIATE_TEST_SUITE_P(
    Targets, PassMemoryTest,
    ::testing::Combine(::testing::ValuesIn(AvailableTargets()),
                       ::testing::Values(TestGguf25(), TestQuantised25(), TestFolder20()),
                       ::testing::Values(Numerics::kExact, Numerics::kFast, Numerics::kInt8)));

TEST(CacheMemory, GrowsBlockByBlockInWholePages) {
  TextConfig config;
  config.layers = 3;
  config.kv_heads = 2;
  config.head_dim = 64;  // 128 bytes a row of one head as F16
  const auto resident = [&](int64_t positions, int64_t page) {
    return KvLayout::Of(config, DType::kF16).ResidentBytes(positions, page);
  };
  EXPECT_EQ(resident(0, 4096), 0);
  EXPECT_EQ(resident(1, 4096), 12 * 2 * 4096);  // a block may begin in the middle of a page
  EXPECT_EQ(resident(1024, 4096), 12 * 1024 * 128);
  EXPECT_EQ(resident(1025, 4096), 12 * (1024 * 128 + 2 * 4096));
  EXPECT_EQ(resident(1, 2 << 20), 12 * 256 * 128);
}

}  // namespace
}  // namespace mcv
