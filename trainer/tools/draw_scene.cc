// mcv-draw-scene OUT.png: one held-out scene at a size that people look at, with what may be asked
// about it.
//
//   mcv-draw-scene scene.png --index 7 --scale 8      the scene, 672x672 pixels
//
// The plan is made at the nano model's own size and then enlarged, so that what the program sees
// after its own resize is a scene of the held-out set.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/random.h"
#include "formats/image/image.h"
#include "trainer/data/generator_parts.h"
#include "trainer/data/questions.h"
#include "trainer/data/scene.h"

namespace mcv::trainer {
namespace {

struct Options {
  std::string out;
  uint64_t index = 0;
  int scale = 8;
  double difficulty = 0.5;
};

ScenePlan Enlarged(ScenePlan plan, int scale) {
  const auto factor = static_cast<float>(scale);
  plan.grid.rows *= scale;
  plan.grid.cols *= scale;
  plan.background.scale *= factor;
  for (PlacedThing& placed : plan.things) {
    placed.x *= factor;
    placed.y *= factor;
    placed.size *= factor;
  }
  return plan;
}

Status Draw(const Options& options) {
  MCV_ASSIGN_OR_RETURN(const auto assets, DataAssets::Load({}));
  const DataAssets::Parts& parts = assets->parts();
  RandomStream random(/*seed=*/0x5ce9e, options.index);
  const ScenePlan plan = PlanScene(parts.things, parts.sprites, /*held_out=*/true, PatchGrid{},
                                   options.difficulty, random);
  for (const Turn& turn : AskAboutScene(plan, parts.things, 5, 8, random)) {
    std::printf("%s  %s\n", turn.question.c_str(), turn.answer.c_str());
  }
  PatchTruth patches;
  Picture picture = PaintScene(Enlarged(plan, options.scale), parts.things, parts.sprites, patches);
  return WritePng(options.out, Image{picture.width, picture.height, std::move(picture.rgb)});
}

}  // namespace
}  // namespace mcv::trainer

int main(int argc, char** argv) {
  mcv::trainer::Options options;
  CLI::App app("Draws a held-out scene");
  app.add_option("out", options.out, "PNG to write")->required();
  app.add_option("--index", options.index, "which scene")->capture_default_str();
  app.add_option("--scale", options.scale, "times 84 pixels")
      ->check(CLI::Range(1, 24))
      ->capture_default_str();
  app.add_option("--difficulty", options.difficulty, "0: one big thing; 1: up to five")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const mcv::Status status = mcv::trainer::Draw(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "mcv-draw-scene: %s\n", status.ToString().c_str());
  return 1;
}
