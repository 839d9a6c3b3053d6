// Properties of the encoder that hold whatever the weights are; its numbers are held to the
// reference in tests/parity.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "family/vision/sincos.h"
#include "model/test_model.h"
#include "model/vision/key_positions.h"
#include "model/vision/resampler.h"
#include "model/vision/siglip_layer.h"
#include "model/vision/vision_encoder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;

Image Noise(int width, int height, uint64_t seed) {
  Image image{width, height, std::vector<uint8_t>(size_t(width) * size_t(height) * 3)};
  RandomStream random(seed);
  for (uint8_t& byte : image.pixels) byte = static_cast<uint8_t>(random.NextBits());
  return image;
}

// A view of a few patches: properties need no more.
View SmallView(int rows, int cols, uint64_t seed) {
  return {Noise(14 * cols, 14 * rows, seed), rows, cols};
}

ViewPositions PositionsOf(const View& view, const ModelConfig& config) {
  const std::vector<PatchGrid> grids = {{view.patch_rows, view.patch_cols}};
  return PositionIds(grids, config.vision)[0];
}

std::vector<float> EncodeView(TestModel& model, const View& view) {
  VisionEncoder encoder(model.config(), model.weights.vision(), model.weights.resampler(),
                        model.context);
  std::vector<float> out(size_t(encoder.rows_per_view()) * size_t(encoder.width()));
  EXPECT_TRUE(encoder
                  .Encode(view, PositionsOf(view, model.config()), {},
                          {out.data(), encoder.rows_per_view(), encoder.width()})
                  .ok());
  return out;
}

// All rows of a picture, view after view.
std::vector<float> Encode(TestModel& model, const Image& image) {
  const ModelConfig& config = model.config();
  const std::vector<View> views = MakeViews(image, config.slicing);
  std::vector<PatchGrid> grids;
  for (const View& view : views) grids.push_back({view.patch_rows, view.patch_cols});
  const auto positions = PositionIds(grids, config.vision);
  VisionEncoder encoder(config, model.weights.vision(), model.weights.resampler(), model.context);
  const int64_t queries = encoder.rows_per_view();
  std::vector<float> out(views.size() * size_t(queries) * size_t(encoder.width()));
  const MatView rows(out.data(), int64_t(views.size()) * queries, encoder.width());
  for (size_t i = 0; i < views.size(); ++i) {
    EXPECT_TRUE(
        encoder.Encode(views[i], positions[i], {}, rows.Rows(int64_t(i) * queries, queries)).ok());
  }
  return out;
}

TEST(VisionEncoderTest, ThreadsDoNotShow) {
  TestModel one(TestGguf25()), three(TestGguf25(), {}, 3);
  const View view = SmallView(5, 9, 3);
  EXPECT_EQ(EncodeView(one, view), EncodeView(three, view));
}

TEST(VisionEncoderTest, ItsNumericsAreItsOwn) {
  TestModel model(TestGguf25());
  const View view = SmallView(8, 10, 4);
  const ModelConfig& config = model.config();
  const auto rows = [&](Numerics own, Numerics around) {
    model.context.numerics = around;
    VisionEncoder encoder(config, model.weights.vision(), model.weights.resampler(), own,
                          model.context);
    std::vector<float> out(size_t(encoder.rows_per_view()) * size_t(encoder.width()));
    const MatView all(out.data(), encoder.rows_per_view(), encoder.width());
    EXPECT_TRUE(encoder.Encode(view, PositionsOf(view, config), {}, all).ok());
    EXPECT_EQ(model.context.numerics, around);
    return out;
  };
  for (const Numerics own : {Numerics::kExact, Numerics::kInt8}) {
    EXPECT_EQ(rows(own, Numerics::kFast), rows(own, Numerics::kExact));
  }
}

TEST(VisionEncoderTest, CancelBetweenLayers) {
  TestModel model(TestGguf25());
  const View view = SmallView(4, 6, 1);
  VisionEncoder encoder(model.config(), model.weights.vision(), model.weights.resampler(),
                        model.context);
  std::vector<float> out(size_t(encoder.rows_per_view()) * size_t(encoder.width()));
  std::atomic<bool> cancel = false;
  int layers = 0;
  const TapSink sink = [&](Tap tap, int, ConstMatView) {
    if (tap == Tap::kVitLayer) cancel = ++layers == 1;
  };
  const Status status =
      encoder.Encode(view, PositionsOf(view, model.config()), {.taps = &sink, .cancel = &cancel},
                     {out.data(), encoder.rows_per_view(), encoder.width()});
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_EQ(layers, 1);
}

// The padding of the strip rule takes part in the tower's attention: a view shorter than its
// picture's longest is another view than alone.
TEST(VisionEncoderTest, StripPaddingIsSeenByTheTowerAndNotByTheResampler) {
  TestModel model(TestGguf25());
  ASSERT_EQ(model.config().vision.position_rule, PositionRule::kStrip);
  const View view = SmallView(6, 6, 1);
  const int n = view.num_patches();
  VisionEncoder encoder(model.config(), model.weights.vision(), model.weights.resampler(),
                        model.context);
  const int64_t rows = encoder.rows_per_view(), width = encoder.width();
  const auto encode = [&](int padding) {
    // The same ids with and without padding, so that only the padding itself differs.
    ViewPositions positions{std::vector<int32_t>(size_t(n + padding), 3), n, padding};
    std::vector<float> out(size_t(rows * width));
    int64_t seen = 0;
    const TapSink sink = [&](Tap tap, int, ConstMatView v) {
      if (tap == Tap::kVit) seen = v.rows;
    };
    EXPECT_TRUE(encoder.Encode(view, positions, {.taps = &sink}, {out.data(), rows, width}).ok());
    EXPECT_EQ(seen, n + padding);
    return out;
  };
  const std::vector<float> alone = encode(0), padded = encode(40);
  EXPECT_GT(Distance(alone, padded), 1e-4);
  EXPECT_EQ(encode(0), alone);  // and nothing of the padding stays behind
}

TEST(ResamplerTest, AConstantOnAllKeysChangesNothing) {
  TestModel model(TestGguf25());
  const ModelConfig& config = model.config();
  const int64_t n = 30, width = config.resampler.width;
  VisionActivations act;
  const auto run = [&](float shift) {
    act.Shape(config, n);
    const std::vector<float> x = RandomFloats(size_t(n * config.vision.width), 4);
    std::copy(x.begin(), x.end(), act.x.data);
    const std::vector<float> positions(size_t(n * width), shift);
    std::vector<float> out(size_t(config.resampler.queries) * size_t(width));
    Resample(model.weights.resampler(), config.resampler,
             {.grid = {1, static_cast<int>(n)}, .table = {positions.data(), n, width}}, act,
             {out.data(), config.resampler.queries, width}, model.context);
    return out;
  };
  EXPECT_LT(Distance(run(0.0f), run(0.7f)), 2e-5);
}

TEST(ResamplerTest, OrderOfPatchesDoesNotMatterWithoutPositions) {
  TestModel model(TestGguf25());
  const ModelConfig& config = model.config();
  const int64_t n = 12, c = config.vision.width, width = config.resampler.width;
  const std::vector<float> x = RandomFloats(size_t(n * c), 4);
  const std::vector<float> positions(size_t(n * width), 0.0f);
  VisionActivations act;
  const auto run = [&](bool reversed) {
    act.Shape(config, n);
    for (int64_t r = 0; r < n; ++r) {
      std::copy_n(&x[size_t((reversed ? n - 1 - r : r) * c)], c, act.x.Row(r));
    }
    std::vector<float> out(size_t(config.resampler.queries) * size_t(width));
    Resample(model.weights.resampler(), config.resampler,
             {.grid = {1, static_cast<int>(n)}, .table = {positions.data(), n, width}}, act,
             {out.data(), config.resampler.queries, width}, model.context);
    return out;
  };
  EXPECT_LT(Distance(run(false), run(true)), 2e-5);
}

// --- Version 1.0: no expected values exist, so its own parts are held to their definitions. ---

// Four taps of the plain bicubic kernel (a = -0.75), edges repeated (model-spec 1.4).
double PlainSample(const std::vector<float>& table, int side, int width, int out_side, int row,
                   int col, int channel) {
  const auto taps = [&](int i, int* first, double* weights) {
    const double center = (i + 0.5) * side / out_side - 0.5;
    *first = static_cast<int>(std::floor(center)) - 1;
    for (int t = 0; t < 4; ++t) {
      const double x = std::fabs(center - (*first + t));
      const double a = -0.75;
      weights[t] = x < 1 ? (a + 2) * x * x * x - (a + 3) * x * x + 1
                         : a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a;
    }
  };
  int first_row, first_col;
  double row_weights[4], col_weights[4];
  taps(row, &first_row, row_weights);
  taps(col, &first_col, col_weights);
  double sum = 0.0;
  for (int r = 0; r < 4; ++r) {
    for (int c = 0; c < 4; ++c) {
      const int y = std::clamp(first_row + r, 0, side - 1);
      const int x = std::clamp(first_col + c, 0, side - 1);
      sum += row_weights[r] * col_weights[c] * table[size_t((y * side + x) * width + channel)];
    }
  }
  return sum;
}

TEST(Version10Test, KeysGetTheQueriesTableStretched) {
  ResamplerConfig config;
  config.queries = 64;
  config.width = 8;
  config.positions = ResamplerPositions::kStored;
  const std::vector<float> stored = RandomFloats(64 * 8, 9);
  ResamplerWeights weights;
  weights.positions = stored.data();
  ThreadPool pool(2);
  Context ctx;
  ctx.pool = &pool;
  ctx.table = *ChooseTarget();
  KeyPositions keys;
  const auto positions_of = [&](int rows, int cols) {
    std::vector<float> all(size_t(rows * cols * 8));
    const PatchGrid grid{rows, cols};
    AddPositions(keys.For(grid, weights, config), {all.data(), rows * cols, 8}, ctx);
    return all;
  };
  const std::vector<float> table = positions_of(32, 32);
  for (const auto& [row, col] : {std::pair{0, 0}, {31, 31}, {0, 17}, {13, 22}, {30, 1}}) {
    for (int channel = 0; channel < 8; ++channel) {
      EXPECT_NEAR(table[size_t((row * 32 + col) * 8 + channel)],
                  PlainSample(stored, 8, 8, 32, row, col, channel), 1e-5);
    }
  }
  EXPECT_LT(Distance(positions_of(8, 8), stored), 1e-6);
}

TEST(KeyPositionsTest, AreTheSinCosTable) {
  ResamplerConfig config;
  config.width = 48;
  config.positions = ResamplerPositions::kSinCos;
  ThreadPool pool(2);
  Context ctx;
  ctx.pool = &pool;
  KeyPositions keys;
  for (const std::string_view target : AvailableTargets()) {
    ctx.table = *ChooseTarget(target);
    // A longer side after a shorter one, and the other way round.
    for (const auto& [rows, cols] : {std::pair{3, 5}, {9, 2}, {1, 4}}) {
      std::vector<float> want(size_t(rows * cols * config.width));
      FillSinCosTable(rows, cols, config.width, want);
      std::vector<float> got(want.size(), 0.0f);
      AddPositions(keys.For({rows, cols}, {}, config), {got.data(), rows * cols, config.width},
                   ctx);
      EXPECT_EQ(got, want) << target << " " << rows << "x" << cols;
    }
  }
}

// 2.0's files are 1.0's layout: without its slicing keys the same folder is a 1.0 model.
fs::path MakeFolder10() {
  const fs::path folder = fs::path(::testing::TempDir()) / "v10_from_v20";
  fs::create_directories(folder);
  nlohmann::json config;
  std::ifstream(TestFolder20() + "/config.json") >> config;
  for (const char* key : {"slice_mode", "max_slice_nums", "scale_resolution", "slice_config"}) {
    config.erase(key);
  }
  std::ofstream(folder / "config.json") << config.dump();
  for (const char* name : {"model.safetensors", "tokenizer.model", "tokenizer_config.json"}) {
    fs::copy_file(fs::path(TestFolder20()) / name, folder / name,
                  fs::copy_options::overwrite_existing);
  }
  return folder;
}

TEST(Version10Test, SquashesEveryPictureToOneView) {
  TestModel model(MakeFolder10().string());
  ASSERT_NE(model.files, nullptr);
  ASSERT_EQ(model.config().version, Version::kV1_0);
  const std::vector<View> views = MakeViews(Noise(900, 300, 2), model.config().slicing);
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views[0].patch_rows, 32);
  EXPECT_EQ(views[0].patch_cols, 32);
}

TEST(Version10Test, DiffersFrom20InTheKeysPositionsAlone) {
  TestModel v10(MakeFolder10().string()), v20(TestFolder20());
  ASSERT_NE(v10.files, nullptr);
  const Image image = Noise(448, 448, 6);  // the same view in both
  const std::vector<float> rows10 = Encode(v10, image), rows20 = Encode(v20, image);
  EXPECT_EQ(rows10.size(), size_t(64 * v10.config().text.width));
  EXPECT_GT(Distance(rows10, rows20), 1e-4);

  // With 2.0's rule for the keys, 1.0's encoder is 2.0's.
  ModelConfig mixed = v10.config();
  mixed.resampler.positions = ResamplerPositions::kStoredQueriesSinCosKeys;
  VisionEncoder encoder(mixed, v10.weights.vision(), v10.weights.resampler(), v10.context);
  const std::vector<View> views = MakeViews(image, mixed.slicing);
  const std::vector<PatchGrid> grids = {{32, 32}};
  std::vector<float> rows(rows10.size());
  ASSERT_TRUE(encoder
                  .Encode(views[0], PositionIds(grids, mixed.vision)[0], {},
                          {rows.data(), 64, encoder.width()})
                  .ok());
  EXPECT_EQ(rows, rows20);
}

}  // namespace
}  // namespace mcv
