#include "family/vision/views.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/sha256.h"
#include "family/vision/placeholders.h"
#include "family/vision/positions.h"
#include "tests/support/goldens.h"

namespace mcv {
namespace {

using Json = nlohmann::json;

Image Noise(int width, int height) {
  Image image{width, height, {}};
  RandomStream random(3);
  image.pixels.resize(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
  for (uint8_t& byte : image.pixels) byte = static_cast<uint8_t>(random.Below(256));
  return image;
}

TEST(ViewsTest, CellsAreCutFromTheRefinedPictureRowByRow) {
  SliceConfig config;
  config.scale_resolution = 28;
  const Image image = Noise(84, 56);
  const std::vector<View> views = MakeViews(image, config);
  ASSERT_EQ(views.size(), 7u);  // 84x56 is six cells of 28x28, so that nothing is resized
  for (int cell = 0; cell < 6; ++cell) {
    const View& view = views[static_cast<size_t>(1 + cell)];
    EXPECT_EQ(view.patch_rows, 2);
    EXPECT_EQ(view.patch_cols, 2);
    for (int y = 0; y < 28; ++y) {
      const size_t from = size_t(3 * ((cell / 3 * 28 + y) * 84 + cell % 3 * 28));
      EXPECT_TRUE(std::equal(&view.pixels.pixels[size_t(y * 28 * 3)],
                             &view.pixels.pixels[size_t(y * 28 * 3)] + 28 * 3,
                             &image.pixels[from]));
    }
  }
}

TEST(ViewsTest, PatchesAreOrderedByChannelRowColumn) {
  View view{Noise(28, 42), 3, 2};
  ModelConfig config;
  std::vector<float> patches(6 * 588);
  NormalisePatches(view, config, patches);
  for (int p = 0; p < 6; ++p) {
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 14; ++y) {
        for (int x = 0; x < 14; ++x) {
          const uint8_t byte =
              view.pixels.pixels[size_t(3 * ((p / 2 * 14 + y) * 28 + p % 2 * 14 + x) + c)];
          ASSERT_EQ(patches[size_t(p * 588 + c * 196 + y * 14 + x)],
                    (static_cast<float>(byte) / 255.0f - 0.5f) / 0.5f);
        }
      }
    }
  }
}

TEST(ViewsTest, LeavesTheGapsBetweenRowsAlone) {
  View view{Noise(28, 14), 1, 2};
  ModelConfig config;
  std::vector<float> wide(2 * 600, -7.0f);
  std::vector<float> tight(2 * 588);
  NormalisePatches(view, config, wide, 600);
  NormalisePatches(view, config, tight);
  for (size_t p = 0; p < 2; ++p) {
    for (size_t i = 0; i < 600; ++i) {
      ASSERT_EQ(wide[p * 600 + i], i < 588 ? tight[p * 588 + i] : -7.0f);
    }
  }
}

// One expected JSON and the version and options that it was made with.
struct Run {
  const char* folder;
  Version version;
  PositionRule rule;
  BucketRule buckets;
};

ModelConfig ConfigOf(const Run& run, int queries) {
  ModelConfig config;
  config.version = run.version;
  config.vision.position_rule = run.rule;
  config.vision.bucket_rule = run.buckets;
  config.resampler.queries = queries;
  return config;
}

PixelSize SizeOf(const Json& size) {
  return size.is_null() ? PixelSize{} : PixelSize{size[0].get<int>(), size[1].get<int>()};
}

void ExpectPlan(const Json& want, const SlicePlan& plan) {
  EXPECT_TRUE(plan.overview == SizeOf(want["overview_size"]));
  EXPECT_TRUE(plan.refine == SizeOf(want["refine_size"]));
  EXPECT_TRUE(plan.cell == SizeOf(want["slice_size"]));
  EXPECT_TRUE((PixelSize{plan.cols, plan.rows}) == SizeOf(want["grid"]));
}

void ExpectPixels(const Json& want, const std::vector<View>& views) {
  ASSERT_EQ(views.size(), want["slices"].size());
  for (size_t i = 0; i < views.size(); ++i) {
    EXPECT_EQ(views[i].pixels.width, want["slices"][i]["width"]);
    EXPECT_EQ(views[i].patch_rows, want["tgt_sizes"][i][0]);
    EXPECT_EQ(views[i].patch_cols, want["tgt_sizes"][i][1]);
    EXPECT_EQ(Sha256Hex(views[i].pixels.pixels), want["slices"][i]["sha256"]) << "view " << i;
  }
}

void ExpectPositions(const Json& want, const std::vector<View>& views, const ModelConfig& config) {
  std::vector<PatchGrid> grids;
  for (const View& view : views) grids.push_back({view.patch_rows, view.patch_cols});
  const auto positions = PositionIds(grids, config.vision);
  ASSERT_EQ(positions.size(), views.size());
  if (!want.contains("position_ids")) return;
  for (size_t i = 0; i < views.size(); ++i) {
    const auto list = want["position_ids_of_slice"][i].get<size_t>();
    const auto ids = want["position_ids"][list].get<std::vector<int32_t>>();
    ASSERT_EQ(positions[i].num_patches, static_cast<int>(ids.size()));
    EXPECT_TRUE(std::equal(ids.begin(), ids.end(), positions[i].ids.begin())) << "view " << i;
    EXPECT_EQ(positions[i].ids.size(),
              static_cast<size_t>(positions[i].num_patches + positions[i].num_padding));
  }
}

void ExpectFirstPatch(const Json& want, const View& overview, const ModelConfig& config) {
  std::vector<float> patches(static_cast<size_t>(overview.num_patches() * PatchFloats(14)));
  NormalisePatches(overview, config, patches);
  const auto values = want["patch0_of_overview"].get<std::vector<float>>();
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(patches[i], values[i], 1e-6);
}

// The prompt writes a run of placeholders as "<unk>*N".
void ExpectPlaceholder(const Json& want, const SlicePlan& plan, const ModelConfig& config) {
  std::string text;
  for (const auto& piece : ImagePlaceholder(plan, StyleOf(config), 0)) {
    text += piece.text;
    if (piece.num_queries > 0) text += '*';
    if (piece.num_queries > 0) text += std::to_string(piece.num_queries);
  }
  const std::string prompt = want["prompt"];
  EXPECT_NE(prompt.find(text + "\n"), std::string::npos) << text << "\nis not in\n" << prompt;
}

class ViewGoldensTest : public testing::TestWithParam<std::tuple<Run, const char*>> {};

TEST_P(ViewGoldensTest, EveryStageBeforeTheEncoderAgrees) {
  const auto& [run, name] = GetParam();
  MCV_GOLDEN_OR_SKIP(json_path, std::string("expected/") + run.folder + "/" + name + ".json");
  // JPEG decoders differ by a few levels: this picture is taken as the reference decoded it.
  const std::string file = name == std::string("exif6_500x320") ? "exif6_500x320.decoded" : name;
  MCV_GOLDEN_OR_SKIP(image_path, "images/" + file + ".png");
  const Json want = Json::parse(ReadGolden(json_path));
  const auto decoded = LoadImage(image_path);
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  const Image& image = decoded->image;
  const ModelConfig config = ConfigOf(run, run.version == Version::kV2_5 ? 96 : 64);
  const SlicePlan plan = PlanSlices(image.width, image.height, config.slicing);
  ExpectPlan(want, plan);
  const std::vector<View> views = MakeViews(image, config.slicing);
  ExpectPixels(want, views);
  ExpectPositions(want, views, config);
  ExpectFirstPatch(want, views[0], config);
  ExpectPlaceholder(want, plan, config);
}

constexpr Run kRuns[] = {
    {"v20_tiny", Version::kV2_0, PositionRule::kInterpolated, BucketRule::kFloat32},
    {"v25_tiny.strip", Version::kV2_5, PositionRule::kStrip, BucketRule::kFloat32},
    {"v25_tiny.grid", Version::kV2_5, PositionRule::kGrid, BucketRule::kFloat32},
    {"v26_tiny", Version::kV2_6, PositionRule::kGrid, BucketRule::kFloat32},
};

std::string TestName(const testing::TestParamInfo<ViewGoldensTest::ParamType>& info) {
  std::string name = std::string(std::get<0>(info.param).folder) + "_" + std::get<1>(info.param);
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Published, ViewGoldensTest,
                         testing::Combine(testing::ValuesIn(kRuns),
                                          testing::Values("exif6_500x320", "img_100x1600",
                                                          "img_1344x1344", "img_40x30",
                                                          "img_448x448", "img_900x300")),
                         TestName);
INSTANTIATE_TEST_SUITE_P(StripExactBuckets, ViewGoldensTest,
                         testing::Combine(testing::Values(Run{"v25_tiny.strip.floor",
                                                              Version::kV2_5, PositionRule::kStrip,
                                                              BucketRule::kExact}),
                                          testing::Values("img_40x30")),
                         TestName);
INSTANTIATE_TEST_SUITE_P(
    GridExactBuckets, ViewGoldensTest,
    testing::Combine(testing::Values(Run{"v25_tiny.grid.floor", Version::kV2_5, PositionRule::kGrid,
                                         BucketRule::kExact},
                                     Run{"v26_tiny.floor", Version::kV2_6, PositionRule::kGrid,
                                         BucketRule::kExact}),
                     testing::Values("img_900x300")),
    TestName);

// The picture that a camera held upright: stored lying, seen standing.
TEST(ViewsTest, AgreesWithTheReferenceOnStoredAndUprightPictures) {
  for (const bool upright : {false, true}) {
    const std::string name = upright ? "upright" : "stored";
    MCV_GOLDEN_OR_SKIP(json_path, "expected/exif/exif6_500x320." + name + ".json");
    MCV_GOLDEN_OR_SKIP(jpeg_path, "images/exif6_500x320.jpg");
    const Json want = Json::parse(ReadGolden(json_path));
    const auto decoded = LoadImage(jpeg_path, {.apply_orientation = upright});
    ASSERT_TRUE(decoded.ok());
    const std::vector<View> views = MakeViews(decoded->image, SliceConfig{});
    ASSERT_EQ(views.size(), want["slices"].size());
    for (size_t i = 0; i < views.size(); ++i) {
      const Image& pixels = views[i].pixels;
      ASSERT_EQ(pixels.width, want["slices"][i]["width"]);
      ASSERT_EQ(pixels.height, want["slices"][i]["height"]);
      for (const auto& [row, values] : want["slices"][i]["rows"].items()) {
        const size_t start = static_cast<size_t>(std::stoi(row) * pixels.width * 3);
        for (size_t v = 0; v < values.size(); ++v) {
          EXPECT_NEAR(pixels.pixels[start + v], values[v].get<int>(), 4) << name << " row " << row;
        }
      }
    }
  }
}

}  // namespace
}  // namespace mcv
