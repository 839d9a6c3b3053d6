// Where samples come from: sample i of a split is a pure function of (config, split, i).
//
// Samples come in groups of `group_size` (one batch) that share their kind and patch grid, so that
// a batch is one dense tensor. Kind and grid are drawn from the group's number, the content from
// the sample's own index; no state travels between samples.
//
//   auto assets = DataAssets::Load(DataPaths{});       // once: names, sprites, words, fonts
//   DataGenerator generator(assets.value(), config);   // one for each thread: owns Pango's objects
//   Sample sample = generator.Make(Split::kTrain, index);
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "trainer/data/grid.h"
#include "trainer/data/sample.h"
#include "trainer/data/things.h"

namespace mcv::trainer {

struct DataConfig {
  uint64_t seed = 1;
  int group_size = 48;  // samples that share kind and grid: the batch size
  // How often each kind is drawn; they need not add up to one.
  double scene_share = 0.55;
  double word_share = 0.4;
  double line_share = 0.05;
  // Every sample draws its own difficulty uniformly from [0, this]. Scenes at 0: one big thing on a
  // plain ground; at 1: up to five, small, turned, on textures. Words at 0: clean, lower-case, dark
  // on light; at 1: noise, blur, turns, colours, capitals, digits, other scripts.
  double scene_difficulty = 1.0;
  double word_difficulty = 1.0;
  int min_turns = 3;  // questions for each scene; a word has one or two
  int max_turns = 5;
};

struct DataPaths {
  std::string annotations_dir = "/usr/share/unicode/cldr/common/annotations";
  std::string dictionary = "/usr/share/dict/american-english";
  std::string harder_emoji_dir;  // PNGs named by code point, see harder_set.sh; empty: no kHarder
};

// Everything immutable that generators share. Thread-safe.
class DataAssets {
 public:
  static Result<std::shared_ptr<const DataAssets>> Load(const DataPaths& paths);
  ~DataAssets();

  const ThingTable& things() const;
  // Number of dense patch classes (patch_labels.h).
  int num_patch_classes() const;

  struct Parts;  // generator.cc and the tests look inside
  const Parts& parts() const { return *parts_; }

 private:
  DataAssets();
  std::unique_ptr<Parts> parts_;
};

// The grids that pictures come in, and how often (shares add up to one).
struct GridShare {
  PatchGrid grid;
  double share = 0;
};
std::vector<GridShare> GridShares(const DataConfig& config);

// What all samples of one group share.
struct GroupPlan {
  SampleKind kind = SampleKind::kScene;
  PatchGrid grid;
};
GroupPlan PlanGroup(const DataConfig& config, Split split, uint64_t group);

// Not thread-safe: one for each thread.
class DataGenerator {
 public:
  DataGenerator(std::shared_ptr<const DataAssets> assets, const DataConfig& config);
  ~DataGenerator();

  Sample Make(Split split, uint64_t index);
  // The same with kind and grid given, for evaluation of one kind.
  Sample Make(Split split, uint64_t index, const GroupPlan& plan);

  const DataAssets& assets() const { return *assets_; }
  const DataConfig& config() const { return config_; }

 private:
  struct Workers;
  std::shared_ptr<const DataAssets> assets_;
  DataConfig config_;
  std::unique_ptr<Workers> workers_;
};

// The share of right answers of someone who does not see the picture but knows how answers are
// distributed. For kRead it is zero; the table in generator.cc says how each number comes about.
double GuessingLevel(QuestionType type);

}  // namespace mcv::trainer
