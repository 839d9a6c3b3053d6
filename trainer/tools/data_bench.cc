// mcv-data-bench: how many samples of each kind one thread draws a second.
#include <chrono>
#include <cstdio>

#include "trainer/data/generator.h"

int main() {
  using namespace mcv::trainer;
  auto assets = DataAssets::Load(DataPaths{});
  if (!assets.ok()) {
    std::fprintf(stderr, "mcv-data-bench: %s\n", assets.status().ToString().c_str());
    return 1;
  }
  struct Row {
    const char* name;
    SampleKind kind;
    PatchGrid grid;
    Split split;
  };
  constexpr Row kRows[] = {{"scene, train", SampleKind::kScene, {6, 6}, Split::kTrain},
                           {"scene, held out", SampleKind::kScene, {6, 6}, Split::kHeldOut},
                           {"word 3x12", SampleKind::kWord, {3, 12}, Split::kTrain},
                           {"word 4x9", SampleKind::kWord, {4, 9}, Split::kTrain},
                           {"line 2x18", SampleKind::kLine, {2, 18}, Split::kTrain}};
  for (double difficulty : {0.0, 1.0}) {
    DataConfig config;
    config.scene_difficulty = config.word_difficulty = difficulty;
    DataGenerator generator(*assets, config);
    for (const Row& row : kRows) {
      constexpr int kWarm = 300, kCount = 2000;
      auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < kWarm + kCount; ++i) {
        if (i == kWarm) start = std::chrono::steady_clock::now();
        generator.Make(row.split, static_cast<uint64_t>(i), {row.kind, row.grid});
      }
      const std::chrono::duration<double, std::milli> spent =
          std::chrono::steady_clock::now() - start;
      std::printf("difficulty %.0f  %-16s %.3f ms a sample\n", difficulty, row.name,
                  spent.count() / kCount);
    }
  }
  return 0;
}
