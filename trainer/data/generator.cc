#include "trainer/data/generator.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/random.h"
#include "trainer/data/alphabet.h"
#include "trainer/data/damage.h"
#include "trainer/data/generator_parts.h"
#include "trainer/data/patch_labels.h"
#include "trainer/data/questions.h"

namespace mcv::trainer {
namespace {

// Every grid has about 36 patches, and is what the nano model's slicing makes of a picture of that
// shape: so no picture is resized (tests/tie holds the two together).
constexpr GridShare kSceneGrids[] = {
    {{6, 6}, 0.7}, {{5, 7}, 0.1}, {{7, 5}, 0.1}, {{5, 8}, 0.05}, {{8, 5}, 0.05}};
constexpr GridShare kWordGrids[] = {
    {{3, 12}, 0.5}, {{4, 9}, 0.3}, {{2, 18}, 0.1}, {{3, 11}, 0.05}, {{4, 8}, 0.05}};
constexpr GridShare kLineGrids[] = {{{2, 18}, 0.6}, {{3, 12}, 0.25}, {{2, 17}, 0.15}};

template <size_t N>
PatchGrid DrawGrid(const GridShare (&table)[N], RandomStream& random) {
  double at = random.NextDouble();
  for (const GridShare& row : table) {
    if (at < row.share) return row.grid;
    at -= row.share;
  }
  return table[0].grid;
}

// Streams of groups and of samples must not meet: the split and the purpose are part of the seed.
RandomStream StreamFor(uint64_t seed, Split split, int purpose, uint64_t index) {
  const uint64_t key = static_cast<uint64_t>(split) * 8 + static_cast<uint64_t>(purpose);
  return RandomStream(MixBits(seed) + key, index);
}
constexpr int kGroupPurpose = 1, kSamplePurpose = 2;

}  // namespace

DataAssets::DataAssets() : parts_(std::make_unique<Parts>()) {}
DataAssets::~DataAssets() = default;
const ThingTable& DataAssets::things() const { return parts_->things; }

int DataAssets::num_patch_classes() const {
  return NumPatchLabels(parts_->things.size(), static_cast<int>(Alphabet().size()));
}

Result<std::shared_ptr<const DataAssets>> DataAssets::Load(const DataPaths& paths) {
  std::shared_ptr<DataAssets> assets(new DataAssets());
  Parts& parts = *assets->parts_;
  MCV_ASSIGN_OR_RETURN(parts.things, ThingTable::Load(paths.annotations_dir + "/en.xml"));
  MCV_ASSIGN_OR_RETURN(parts.sprites, SpriteSet::FromFont(parts.things));
  if (!paths.harder_emoji_dir.empty()) {
    MCV_ASSIGN_OR_RETURN(parts.harder_sprites,
                         SpriteSet::FromFolder(parts.things, paths.harder_emoji_dir));
  }
  MCV_ASSIGN_OR_RETURN(parts.words, WordBook::Load(paths.dictionary, paths.annotations_dir));
  return std::shared_ptr<const DataAssets>(std::move(assets));
}

std::vector<GridShare> GridShares(const DataConfig& config) {
  std::vector<GridShare> shares;
  const double total = config.scene_share + config.word_share + config.line_share;
  const auto add = [&](const auto& table, double share) {
    for (const GridShare& row : table) shares.push_back({row.grid, row.share * share / total});
  };
  add(kSceneGrids, config.scene_share);
  add(kWordGrids, config.word_share);
  add(kLineGrids, config.line_share);
  return shares;
}

GroupPlan PlanGroup(const DataConfig& config, Split split, uint64_t group) {
  RandomStream random = StreamFor(config.seed, split, kGroupPurpose, group);
  GroupPlan plan;
  const double total = config.scene_share + config.word_share + config.line_share;
  MCV_CHECK(total > 0);
  const double at = random.NextDouble() * total;
  if (at < config.scene_share) {
    plan.kind = SampleKind::kScene;
    plan.grid = DrawGrid(kSceneGrids, random);
  } else if (at < config.scene_share + config.word_share) {
    plan.kind = SampleKind::kWord;
    plan.grid = DrawGrid(kWordGrids, random);
  } else {
    plan.kind = SampleKind::kLine;
    plan.grid = DrawGrid(kLineGrids, random);
  }
  return plan;
}

// Pango's objects are made at the first text sample: a generator of scenes needs none.
struct DataGenerator::Workers {
  std::optional<TextPainter> painter;
};

DataGenerator::DataGenerator(std::shared_ptr<const DataAssets> assets, const DataConfig& config)
    : assets_(std::move(assets)), config_(config), workers_(std::make_unique<Workers>()) {
  MCV_CHECK(config.group_size > 0 && config.min_turns > 0 && config.max_turns >= config.min_turns);
}
DataGenerator::~DataGenerator() = default;

Sample DataGenerator::Make(Split split, uint64_t index) {
  return Make(split, index,
              PlanGroup(config_, split, index / static_cast<uint64_t>(config_.group_size)));
}

Sample DataGenerator::Make(Split split, uint64_t index, const GroupPlan& plan) {
  // kHarder repeats the scenes of kHeldOut in another design, so that the two compare one to one.
  const Split stream_split = split == Split::kHarder ? Split::kHeldOut : split;
  RandomStream random = StreamFor(config_.seed, stream_split, kSamplePurpose, index);
  const bool held_out = split != Split::kTrain;
  const DataAssets::Parts& parts = assets_->parts();
  Sample sample;
  sample.kind = plan.kind;
  if (plan.kind == SampleKind::kScene) {
    const double difficulty = random.NextDouble() * config_.scene_difficulty;
    const ScenePlan scene =
        PlanScene(parts.things, parts.sprites, held_out, plan.grid, difficulty, random);
    sample.turns = AskAboutScene(scene, parts.things, config_.min_turns, config_.max_turns, random);
    MCV_CHECK(split != Split::kHarder || parts.harder_sprites.has_value());
    const SpriteSet& sprites = split == Split::kHarder ? *parts.harder_sprites : parts.sprites;
    sample.picture = PaintScene(scene, parts.things, sprites, sample.patches);
    std::set<int32_t> shown;
    for (const PlacedThing& placed : scene.things) shown.insert(placed.thing);
    sample.things.assign(shown.begin(), shown.end());
    if (random.Chance(0.5 * (difficulty - 0.3))) {
      AddNoise(sample.picture, static_cast<float>(random.Uniform(1, 10 * difficulty)),
               random.NextBits());
    }
    return sample;
  }
  const double difficulty = random.NextDouble() * config_.word_difficulty;
  const TextPlan text = PlanText(parts.words, plan.kind, held_out, plan.grid, difficulty, random);
  if (!workers_->painter) workers_->painter.emplace();
  sample.picture = workers_->painter->Paint(text, sample.patches);
  sample.text = text.text;
  sample.turns = AskAboutText(text.text, plan.kind == SampleKind::kLine, random);
  return sample;
}

double GuessingLevel(QuestionType type) {
  // The share of the commonest answer in held-out scenes at full difficulty, measured on 12,000 of
  // them (generator_test.cc holds the numbers to two points).
  switch (type) {
    case QuestionType::kCount:
      return 0.24;  // "Three"
    case QuestionType::kColour:
      return 0.115;  // "Orange"
    case QuestionType::kPosition:
      return 0.155;  // "Bottom"
    case QuestionType::kYesNo:
      return 0.5;  // tossed
    default:
      return 0.01;  // a hundred things and more, or spelling
  }
}

}  // namespace mcv::trainer
