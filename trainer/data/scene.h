// Scenes: one to five things on a background, and what is true about them.
//
// A scene is planned (what, where, on which ground), then painted. The plan holds the whole truth;
// questions (questions.h) read the plan, never the pixels.
//
// What is held out, by rules that no seed can break:
//   layouts      the set of cells of a 6x6 raster over the picture in which centres of things lie;
//   one
//                set in five, chosen by hash, is never trained on
//   sizes        a thing's longer side, in bands of 1/40 of the picture's side; every fifth band
//   backgrounds  five of ten families; and, within plain grounds, one colour cell in five
// A held-out scene is held out in all three at once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.h"
#include "trainer/data/emoji_set.h"
#include "trainer/data/grid.h"
#include "trainer/data/sample.h"
#include "trainer/data/things.h"

namespace mcv::trainer {

using Rgb = std::array<float, 3>;  // 0..255

enum class BackgroundFamily : uint8_t {
  kPlain,  // both splits, with disjoint colours
  kGradient,
  kStripes,
  kClouds,
  kDots,
  kRadial,  // from here on held out
  kChecks,
  kWaves,
  kBlobs,
  kGrid,
};
bool IsHeldOutFamily(BackgroundFamily family);

struct Background {
  BackgroundFamily family = BackgroundFamily::kPlain;
  Rgb first = {255, 255, 255};
  Rgb second = {255, 255, 255};
  float scale = 10;      // pixels
  float angle = 0;       // radians
  uint64_t seed = 0;     // of the random textures
  int colour_name = -1;  // index in kColourNames where the ground has one nameable colour
};

struct PlacedThing {
  int thing = 0;
  float x = 0;  // centre, pixels
  float y = 0;
  float size = 0;   // the longer side, pixels
  float angle = 0;  // radians
  bool flipped = false;
  Rgb tint = {0, 0, 0};  // shapes: fill colour; emoji: factors around 1 (times 128)
};

struct ScenePlan {
  PatchGrid grid;
  double difficulty = 0;
  Background background;
  std::vector<PlacedThing> things;  // painted in this order
};

// The 36-bit set of raster cells in which the centres lie, and whether training must never see it.
uint64_t LayoutCells(const ScenePlan& plan);
bool IsHeldOutLayout(uint64_t cells);
bool IsHeldOutSize(float size, const PatchGrid& grid);
bool IsHeldOutPlainColour(const Rgb& colour);

// True if the colour counts as kColourNames[index]; every plan's shapes and named grounds hold to
// it.
bool ColourHasName(const Rgb& colour, int index);

ScenePlan PlanScene(const ThingTable& things, const SpriteSet& sprites, bool held_out,
                    const PatchGrid& grid, double difficulty, RandomStream& random);

// Paints the plan and says what each patch shows: the thing that covers most of it, if that is at
// least a third of the patch and twice as much as the next thing.
Picture PaintScene(const ScenePlan& plan, const ThingTable& things, const SpriteSet& sprites,
                   PatchTruth& patches);

}  // namespace mcv::trainer
