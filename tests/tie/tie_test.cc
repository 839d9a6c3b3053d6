// The tie between both halves: what libtorch computes with the weights that it trained is what the
// engine computes with the files that they were exported to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "family/prompt/chat.h"
#include "family/vision/positions.h"
#include "family/vision/views.h"
#include "formats/image/image.h"
#include "tests/tie/both_halves.h"
#include "tests/tie/trained_model.h"
#include "trainer/data/test_assets.h"
#include "trainer/recipes/batch.h"

namespace mcv::tie {
namespace {

using trainer::DataGenerator;
using trainer::Sample;
using trainer::SampleKind;
using trainer::SharedTestAssets;
using trainer::Split;

// Absolute, on logits and features of size about 1 to 10. Measured: 4e-6, another order of
// additions.
constexpr float kTolerance = 1e-4f;
// Of the largest logit: Q8_0 weights keep 7 bits and a sign, which costs about a percent.
constexpr float kQuantisedShare = 0.05f;
// The same when activations are rounded to 8 bits too, as the engine does by default: as much
// again, independently, so sqrt(2) times. bf16, on AVX-512, adds 3 % to that.
constexpr float kFastShare = 0.08f;

// Samples of every kind, with all patch grids that the data has.
std::vector<Sample> SamplesOfAllGrids() {
  trainer::DataConfig config;
  config.group_size = 1;
  DataGenerator generator(SharedTestAssets(), config);
  std::vector<Sample> samples;
  std::set<std::tuple<SampleKind, int, int>> seen;
  for (uint64_t i = 0; i < 600; ++i) {
    const trainer::GroupPlan plan = trainer::PlanGroup(config, Split::kHeldOut, i);
    if (!seen.emplace(plan.kind, plan.grid.rows, plan.grid.cols).second) continue;
    samples.push_back(generator.Make(Split::kHeldOut, i));
  }
  return samples;
}

std::string SavePng(const trainer::Picture& picture, const std::string& name) {
  const std::string path = TrainedModel::Get().folder() + "/" + name + ".png";
  const Status status = WritePng(path, {picture.width, picture.height, picture.rgb});
  EXPECT_TRUE(status.ok()) << status.ToString();
  return path;
}

// The data promises pictures that the engine need not resize: then both halves see the same bytes.
TEST(PictureTieTest, BothHalvesSeeTheSamePatchesAndPositions) {
  const ModelConfig config = TrainedModel::Get().config();
  const std::vector<Sample> samples = SamplesOfAllGrids();
  EXPECT_GE(samples.size(), 10u);
  for (const Sample& sample : samples) {
    const std::string size =
        std::to_string(sample.picture.width) + "x" + std::to_string(sample.picture.height);
    const auto decoded = LoadImage(SavePng(sample.picture, size));
    ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
    const std::vector<View> views = MakeViews(decoded->image, config.slicing);
    ASSERT_EQ(views.size(), 1u) << size;
    EXPECT_EQ(views[0].pixels.pixels, sample.picture.rgb)
        << size << " was resized to " << views[0].pixels.width << "x" << views[0].pixels.height;
    std::vector<float> patches(
        static_cast<size_t>(views[0].num_patches() * PatchFloats(config.vision.patch)));
    NormalisePatches(views[0], config, patches);
    const trainer::PictureBatch batch =
        trainer::MakePictureBatch({&sample.picture}, config.vision.table_side);
    ASSERT_EQ(batch.patches.numel(), static_cast<int64_t>(patches.size())) << size;
    EXPECT_TRUE(
        std::equal(patches.begin(), patches.end(), trainer::ConstData<float>(batch.patches)))
        << size;
    const PatchGrid grid{views[0].patch_rows, views[0].patch_cols};
    const std::vector<ViewPositions> positions = PositionIds({&grid, 1}, config.vision);
    ASSERT_EQ(positions[0].num_padding, 0);
    for (size_t i = 0; i < positions[0].ids.size(); ++i) {
      ASSERT_EQ(positions[0].ids[i], batch.position_ids[int64_t(i)].item<int64_t>()) << size;
    }
  }
}

class FormTieTest : public testing::TestWithParam<Form> {};
INSTANTIATE_TEST_SUITE_P(Forms, FormTieTest, testing::ValuesIn(kAllForms),
                         [](const auto& info) { return std::string(FormName(info.param)); });

// Whole conversations, and texts that no template frames.
TEST_P(FormTieTest, BothTokenisersGiveTheSameIds) {
  TrainedModel& trained = TrainedModel::Get();
  const auto engine = trained.Open(GetParam(), Numerics::kExact);
  const ModelConfig& config = engine->config();
  const auto chat =
      ChatEncoder::Create(engine->tokenizer(), config.row(), config.resampler.queries);
  ASSERT_TRUE(chat.ok()) << chat.status().ToString();
  for (const Sample& sample : SamplesOfAllGrids()) {
    std::vector<ChatTurn> turns;
    for (const trainer::Turn& turn : sample.turns) {
      ChatTurn user = ChatTurn::Text(Role::kUser, turn.question);
      if (turns.empty()) {
        user.parts.insert(user.parts.begin(),
                          ContentPart{"", PlanSlices(sample.picture.width, sample.picture.height,
                                                     config.slicing)});
      } else {
        turns.push_back(ChatTurn::Text(Role::kAssistant, (&turn)[-1].answer));
      }
      turns.push_back(std::move(user));
      for (const std::string& text : {turn.question, turn.answer}) {
        EXPECT_EQ(engine->tokenizer().EncodeText(text), trained.tokenizer().Encode(text, false));
      }
    }
    ChatState state;
    const auto prompt = chat->EncodeTurns(turns, &state);
    ASSERT_TRUE(prompt.ok()) << prompt.status().ToString();
    const trainer::ChatTokens expected =
        trainer::EncodePrompt(trained.tokenizer(), sample.turns, config.resampler.queries);
    EXPECT_EQ(prompt->ids, expected.ids) << chat->PromptText(prompt->ids);
    ASSERT_EQ(prompt->spans.size(), 1u);
    EXPECT_EQ(prompt->spans[0].begin, expected.image_begin);
  }
  for (const char* text :
       {"", " ", "Grüße, 你好 🙂", "<|eot_id|> typed <image>", "x1\n\n y22"}) {
    EXPECT_EQ(engine->tokenizer().EncodeText(text), trained.tokenizer().Encode(text, false));
  }
}

// Greedy answers agree as far as libtorch itself was decided.
void ExpectSameAnswer(const Numbers& engine, const Numbers& torch, float decided) {
  size_t compared = 0;
  while (compared < torch.answer.size() && torch.gaps[compared] > decided) {
    ASSERT_LT(compared, engine.answer.size()) << "the engine ended its answer earlier";
    ASSERT_EQ(engine.answer[compared], torch.answer[compared]) << "token " << compared;
    ++compared;
  }
  if (compared == torch.answer.size() &&
      (compared == torch.gaps.size() || torch.gaps[compared] > decided)) {
    EXPECT_EQ(engine.answer.size(), torch.answer.size());
  }
  EXPECT_GE(compared, 1u) << "no step was decided";
}

struct Case {
  Sample sample;
  std::string png;
  const std::string& question() const { return sample.turns.back().question; }
};

// A scene and a word: grids of different shapes, questions of different lengths.
std::vector<Case> PictureCases() {
  std::vector<Case> cases;
  for (Sample& sample : SamplesOfAllGrids()) {
    const bool wanted = cases.empty() || (cases.size() == 1 && sample.kind != cases[0].sample.kind);
    if (!wanted) continue;
    Case c{std::move(sample), ""};
    c.png = SavePng(c.sample.picture, "case" + std::to_string(cases.size()));
    cases.push_back(std::move(c));
  }
  EXPECT_EQ(cases.size(), 2u);
  return cases;
}

TEST_P(FormTieTest, EngineComputesWhatTheTrainingModulesComputeWithTheStoredWeights) {
  TrainedModel& trained = TrainedModel::Get();
  const auto engine = trained.Open(GetParam(), Numerics::kExact);
  const auto stored = StoredModel(engine->files());
  for (const Case& c : PictureCases()) {
    const Numbers ours = RunEngine(*engine, c.png, c.question());
    const Numbers torch = RunTrainer(*stored, trained.tokenizer(), c.sample.picture, c.question());
    EXPECT_EQ(ours.patches, torch.patches);
    ASSERT_EQ(ours.prompt, torch.prompt);
    const float features = LargestDifference(ours.features, torch.features);
    const float logits = LargestDifference(ours.logits, torch.logits);
    EXPECT_LT(features, kTolerance);
    EXPECT_LT(logits, kTolerance);
    // The comparison means something only if the values are not all near zero.
    EXPECT_GT(LargestValue(torch.features), 0.1f);
    EXPECT_GT(LargestValue(torch.logits), 0.5f);
    ExpectSameAnswer(ours, torch, 2 * kTolerance);
    RecordProperty("answer_tokens", static_cast<int>(torch.answer.size()));
    RecordProperty("features_difference", std::to_string(features));
    RecordProperty("logits_difference", std::to_string(logits));
  }
}

// What exporting itself may lose: nothing in fp32; in Q8_0 half a step, and what rounding a block's
// scale to half precision (by 2^-11 of it, at most) moves a value that is 127 steps large.
TEST_P(FormTieTest, ExportedWeightsAreTheTrainedOnes) {
  TrainedModel& trained = TrainedModel::Get();
  const auto files = ModelFiles::Open(trained.PathOf(GetParam()));
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  const auto stored = StoredModel(*files);
  const auto expected = trained.model().named_parameters();
  for (const auto& p : stored->named_parameters()) {
    const torch::Tensor exact = expected[p.key()].detach();
    const torch::Tensor difference = (p.value().detach() - exact).abs();
    const float bound =
        GetParam() == Form::kGgufQ8_0
            ? exact.abs().max().item<float>() * (0.5f + 127.0f / 2048.0f + 1e-3f) / 127.0f
            : 0.0f;
    EXPECT_LE(difference.max().item<float>(), bound) << p.key();
  }
}

TEST(QuantisedTieTest, LogitsStayNearThoseOfTheTrainedWeights) {
  TrainedModel& trained = TrainedModel::Get();
  const struct {
    Numerics numerics;
    float share;
  } runs[] = {{Numerics::kExact, kQuantisedShare}, {Numerics::kFast, kFastShare}};
  for (const Case& c : PictureCases()) {
    const Numbers torch =
        RunTrainer(trained.model(), trained.tokenizer(), c.sample.picture, c.question());
    for (const auto& run : runs) {
      const auto engine = trained.Open(Form::kGgufQ8_0, run.numerics);
      const Numbers ours = RunEngine(*engine, c.png, c.question());
      const float features =
          LargestDifference(ours.features, torch.features) / LargestValue(torch.features);
      const float logits =
          LargestDifference(ours.logits, torch.logits) / LargestValue(torch.logits);
      EXPECT_LT(features, run.share);
      EXPECT_LT(logits, run.share);
      const std::string name = run.numerics == Numerics::kExact ? "exact" : "fast";
      RecordProperty(name + "_features_share", std::to_string(features));
      RecordProperty(name + "_logits_share", std::to_string(logits));
    }
  }
}

}  // namespace
}  // namespace mcv::tie
