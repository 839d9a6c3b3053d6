// Sprites: each thing drawn once, large, with alpha, to be scaled into scenes without Cairo.
//
// Emoji come from an emoji font through Pango, or from a folder of PNG files named by code point
// (another design, for the harder set). Shapes are drawn by Cairo in white and take their colour
// when they are painted into a scene.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "trainer/data/things.h"

namespace mcv::trainer {

// One level of a sprite: premultiplied RGBA, rows top to bottom, width * height * 4 bytes.
struct SpriteLevel {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgba;
};

// levels[0] is full size; each next level halves both sides (box filter), for scaling down without
// aliasing.
struct Sprite {
  std::vector<SpriteLevel> levels;
  std::array<float, 3> mean_rgb = {0, 0, 0};  // over the opaque part, 0..255

  int width() const { return levels[0].width; }
  int height() const { return levels[0].height; }
};

// Immutable after loading; shared between threads.
class SpriteSet {
 public:
  // Every emoji of `things` from the font Noto Color Emoji. An error names the first one that the
  // font does not draw in colour.
  static Result<SpriteSet> FromFont(const ThingTable& things);
  // The same from `folder`: "1F415.png" (any case; also with a "-FE0F" behind the code point). An
  // error names the first thing without a file.
  static Result<SpriteSet> FromFolder(const ThingTable& things, const std::string& folder);

  // `thing` is the index of an emoji.
  const Sprite& emoji(int thing) const { return emoji_[thing]; }
  const Sprite& shape(int shape) const { return shapes_[shape]; }

 private:
  std::vector<Sprite> emoji_;  // by thing; empty for shapes
  std::vector<Sprite> shapes_;
};

}  // namespace mcv::trainer
