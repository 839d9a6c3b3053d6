// What stands where, on which ground. All choices that the split restricts are made by drawing
// again until the rule holds, so both splits have the same distribution apart from the rule.
#include <algorithm>
#include <cmath>

#include "trainer/data/scene.h"

namespace mcv::trainer {
namespace {

constexpr int kRaster = 6;         // cells a side for layouts
constexpr int kBandsPerSide = 40;  // size bands
constexpr double kShapeShare = 0.3;
constexpr double kSmallest = 0.25;  // of the side: what a person still tells apart

// Hue, saturation and value ranges of each name in kColourNames. The ranges keep clear of each
// other, so that no shape's colour is a matter of taste. Hue in degrees; may run below 0.
struct ColourRange {
  float hue_low, hue_high, sat_low, sat_high, val_low, val_high;
};
constexpr ColourRange kColourRanges[] = {
    {-8, 6, 0.82f, 1.0f, 0.75f, 0.97f},    // red
    {24, 34, 0.85f, 1.0f, 0.92f, 1.0f},    // orange
    {50, 58, 0.75f, 1.0f, 0.92f, 1.0f},    // yellow
    {95, 145, 0.6f, 1.0f, 0.4f, 0.8f},     // green
    {205, 235, 0.65f, 1.0f, 0.6f, 1.0f},   // blue
    {272, 288, 0.6f, 0.9f, 0.45f, 0.75f},  // purple
    {328, 342, 0.3f, 0.55f, 0.95f, 1.0f},  // pink
    {18, 26, 0.6f, 0.8f, 0.35f, 0.5f},     // brown
    {0, 360, 0.0f, 0.1f, 0.0f, 0.1f},      // black
    {0, 360, 0.0f, 0.03f, 0.96f, 1.0f},    // white
};

Rgb FromHsv(float hue, float sat, float val) {
  Rgb rgb;
  for (int c = 0; c < 3; ++c) {
    const float k = std::fmod((c == 0 ? 5.0f : c == 1 ? 3.0f : 1.0f) + (hue + 360) / 60.0f, 6.0f);
    rgb[c] = 255.0f * (val - val * sat * std::max(0.0f, std::min({k, 4 - k, 1.0f})));
  }
  return rgb;
}

Rgb DrawNamedColour(int index, RandomStream& random) {
  const ColourRange& range = kColourRanges[index];
  return FromHsv(static_cast<float>(random.Uniform(range.hue_low, range.hue_high)),
                 static_cast<float>(random.Uniform(range.sat_low, range.sat_high)),
                 static_cast<float>(random.Uniform(range.val_low, range.val_high)));
}

Rgb DrawAnyColour(RandomStream& random) {
  // Grounds are more often light and pale than not, as paper, walls and sky are.
  const bool pale = random.Chance(0.6);
  return FromHsv(static_cast<float>(random.Uniform(0, 360)),
                 static_cast<float>(pale ? random.Uniform(0, 0.35) : random.Uniform(0.2, 0.9)),
                 static_cast<float>(pale ? random.Uniform(0.75, 1) : random.Uniform(0.15, 1)));
}

float Distance(const Rgb& a, const Rgb& b) {
  float sum = 0;
  for (int c = 0; c < 3; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return std::sqrt(sum);
}

// Named grounds are drawn in paler shades too, except where a shade would get another name.
Background DrawPlain(bool held_out, RandomStream& random) {
  Background ground;
  do {
    if (random.Chance(0.6)) {
      ground.colour_name = static_cast<int>(random.Below(kNumColours));
      ground.first = DrawNamedColour(ground.colour_name, random);
    } else {
      ground.colour_name = -1;
      ground.first = DrawAnyColour(random);
    }
  } while (IsHeldOutPlainColour(ground.first) != held_out);
  ground.second = ground.first;
  return ground;
}

Background DrawBackground(bool held_out, double difficulty, RandomStream& random) {
  if (random.Chance(1.0 - 0.75 * difficulty)) return DrawPlain(held_out, random);
  Background ground;
  const int textured = static_cast<int>(random.Below(held_out ? 5 : 4));
  ground.family = held_out ? static_cast<BackgroundFamily>(5 + textured)
                           : static_cast<BackgroundFamily>(1 + textured);
  ground.first = DrawAnyColour(random);
  // The two colours of a texture stay close enough that things remain the most striking part.
  do {
    ground.second = DrawAnyColour(random);
  } while (Distance(ground.first, ground.second) > 60 + 120 * difficulty);
  ground.scale = static_cast<float>(random.Uniform(4, 16));
  ground.angle = static_cast<float>(random.Uniform(0, M_PI));
  ground.seed = random.NextBits();
  return ground;
}

// `demand` in (0, 1] relaxes the distance, for scenes whose things leave no colour free.
bool StandsOut(const PlacedThing& placed, const ThingTable& things, const SpriteSet& sprites,
               const Background& ground, float demand) {
  const bool shape = things[placed.thing].shape >= 0;
  const Rgb& colour = shape ? placed.tint : sprites.emoji(placed.thing).mean_rgb;
  const float least = demand * (shape ? 95.0f : 55.0f);
  return Distance(colour, ground.first) > least && Distance(colour, ground.second) > least;
}

// One group is several of the same thing.
struct Group {
  int thing;
  int count;
};

int DrawThing(const ThingTable& things, RandomStream& random) {
  if (random.Chance(kShapeShare)) {
    return things.ShapeIndex(static_cast<int>(random.Below(kNumShapes)),
                             static_cast<int>(random.Below(kNumColours)));
  }
  return ThingTable::EmojiIndex(
      static_cast<int>(random.Below(static_cast<uint32_t>(things.num_emoji()))));
}

// Half of the crowded scenes repeat one thing (for counting), alone or beside others.
std::vector<Group> DrawGroups(const ThingTable& things, double difficulty, RandomStream& random) {
  const int most = 1 + static_cast<int>(difficulty * 4.999);
  // The larger of two draws: scenes of one thing have the fewest questions to learn from.
  const uint32_t first = random.Below(static_cast<uint32_t>(most));
  int left = 1 + static_cast<int>(std::max(first, random.Below(static_cast<uint32_t>(most))));
  std::vector<Group> groups;
  const bool crowd = random.Chance(0.55);
  while (left > 0) {
    Group group{DrawThing(things, random), 1};
    const bool seen = std::any_of(groups.begin(), groups.end(),
                                  [&](const Group& g) { return g.thing == group.thing; });
    if (seen) continue;
    if (crowd && groups.empty()) {
      group.count = random.Chance(0.6) ? left : 1 + static_cast<int>(random.Below(left));
    } else if (!crowd && left > 1 && random.Chance(0.2)) {
      group.count = 2;
    }
    left -= group.count;
    groups.push_back(group);
  }
  return groups;
}

std::array<double, 2> SizeRange(int num_things, double difficulty) {
  switch (num_things) {
    case 1:
      return {0.75 - 0.4 * difficulty, 0.95};
    case 2:
      return {0.36, 0.55};
    case 3:
      return {0.32, 0.46};
    case 4:
      return {0.29, 0.39};
    default:
      return {0.27, 0.36};
  }
}

// Places all things, or returns false where one finds no room. Later attempts allow smaller things,
// down to kSmallest: a large thing alone can be centred in few cells only.
bool TryPlace(std::vector<PlacedThing>& placed, bool held_out, const PatchGrid& grid,
              double difficulty, int attempt, RandomStream& random) {
  const double side = std::sqrt(double(grid.width()) * grid.height());
  auto [low, high] = SizeRange(static_cast<int>(placed.size()), difficulty);
  // On an elongated grid the shorter side is the limit. What is left of the range is as wide as six
  // bands, so that it has sizes of both splits; the ranges of crowds were chosen so.
  const double highest = 0.97 * std::min(grid.width(), grid.height()) / side;
  if (high > highest) {
    high = highest;
    low = std::min(low, high - 6.0 / kBandsPerSide);
  }
  low = std::max(std::min(low, kSmallest), low - 0.05 * (attempt / 30));
  for (size_t i = 0; i < placed.size(); ++i) {
    PlacedThing& thing = placed[i];
    do {
      thing.size = static_cast<float>(side * random.Uniform(low, high));
    } while (IsHeldOutSize(thing.size, grid) != held_out);
    bool found = false;
    for (int attempt = 0; attempt < 30 && !found; ++attempt) {
      const double half = thing.size * 0.48;
      thing.x = static_cast<float>(random.Uniform(half, grid.width() - half));
      thing.y = static_cast<float>(random.Uniform(half, grid.height() - half));
      found = true;
      for (size_t k = 0; k < i && found; ++k) {
        const double gap = 0.46 * (thing.size + placed[k].size);
        found = std::max(std::abs(thing.x - placed[k].x), std::abs(thing.y - placed[k].y)) > gap;
      }
    }
    if (!found) return false;
  }
  return true;
}

}  // namespace

bool IsHeldOutFamily(BackgroundFamily family) { return family >= BackgroundFamily::kRadial; }

uint64_t LayoutCells(const ScenePlan& plan) {
  uint64_t cells = 0;
  for (const PlacedThing& thing : plan.things) {
    const int col = std::clamp(static_cast<int>(thing.x * kRaster / plan.grid.width()), 0, 5);
    const int row = std::clamp(static_cast<int>(thing.y * kRaster / plan.grid.height()), 0, 5);
    cells |= uint64_t{1} << (row * kRaster + col);
  }
  return cells;
}

bool IsHeldOutLayout(uint64_t cells) { return MixBits(cells + 17) % 5 == 0; }

bool IsHeldOutSize(float size, const PatchGrid& grid) {
  const double side = std::sqrt(double(grid.width()) * grid.height());
  return static_cast<int>(size / side * kBandsPerSide) % 5 == 2;
}

bool IsHeldOutPlainColour(const Rgb& colour) {
  // Cells of 16 levels: fine enough that each name's range has cells on both sides.
  uint64_t cell = 0;
  for (float c : colour) cell = cell * 16 + static_cast<uint64_t>(std::min(c, 255.0f) / 16);
  return cell != 0xFFF && cell != 0 && MixBits(cell + 71) % 5 == 0;
}

bool ColourHasName(const Rgb& colour, int index) {
  const ColourRange& range = kColourRanges[index];
  const float high = std::max({colour[0], colour[1], colour[2]});
  const float low = std::min({colour[0], colour[1], colour[2]});
  const float sat = high > 0 ? (high - low) / high : 0;
  float hue = 0;
  if (high > low) {
    const float span = high - low;
    hue = high == colour[0]   ? (colour[1] - colour[2]) / span
          : high == colour[1] ? 2 + (colour[2] - colour[0]) / span
                              : 4 + (colour[0] - colour[1]) / span;
    hue = std::fmod(hue * 60 + 360, 360.0f);
  }
  const auto within = [](float x, float a, float b) { return x >= a - 0.01f && x <= b + 0.01f; };
  const bool any_hue = range.hue_high - range.hue_low >= 360;
  return within(sat, range.sat_low, range.sat_high) &&
         within(high / 255, range.val_low, range.val_high) &&
         (any_hue || within(hue, range.hue_low - 0.5f, range.hue_high + 0.5f) ||
          within(hue - 360, range.hue_low - 0.5f, range.hue_high + 0.5f));
}

ScenePlan PlanScene(const ThingTable& things, const SpriteSet& sprites, bool held_out,
                    const PatchGrid& grid, double difficulty, RandomStream& random) {
  ScenePlan plan;
  plan.grid = grid;
  plan.difficulty = difficulty;
  for (const Group& group : DrawGroups(things, difficulty, random)) {
    for (int i = 0; i < group.count; ++i) {
      PlacedThing placed;
      placed.thing = group.thing;
      placed.flipped = things[group.thing].shape < 0 && random.Chance(0.5);
      placed.angle = static_cast<float>(random.Normal() * 0.15 * difficulty);
      if (things[group.thing].shape >= 0) {
        placed.tint = DrawNamedColour(things[group.thing].colour, random);
      } else {
        for (float& factor : placed.tint) {
          factor = static_cast<float>(128 * random.Uniform(1 - 0.12 * difficulty, 1));
        }
      }
      plan.things.push_back(placed);
    }
  }
  // Neighbours in the drawing order must not be of one group only: shuffle (Fisher-Yates).
  for (size_t i = plan.things.size(); i > 1; --i) {
    std::swap(plan.things[i - 1], plan.things[random.Below(static_cast<uint32_t>(i))]);
  }
  float demand = 1.0f / 0.98f;
  do {
    demand *= 0.98f;
    plan.background = DrawBackground(held_out, difficulty, random);
  } while (!std::all_of(plan.things.begin(), plan.things.end(), [&](const PlacedThing& placed) {
    return StandsOut(placed, things, sprites, plan.background, demand);
  }));
  // A crowd that is too large for the grid in its size range gets rid of its last thing after a
  // hundred failures; with the ranges above that is rare.
  for (int attempt = 1;; ++attempt) {
    if (TryPlace(plan.things, held_out, grid, difficulty, attempt, random) &&
        IsHeldOutLayout(LayoutCells(plan)) == held_out) {
      return plan;
    }
    if (attempt % 100 == 0 && plan.things.size() > 1) plan.things.pop_back();
  }
}

}  // namespace mcv::trainer
