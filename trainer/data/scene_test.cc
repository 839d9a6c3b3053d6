#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "trainer/data/generator_parts.h"
#include "trainer/data/patch_labels.h"
#include "trainer/data/questions.h"
#include "trainer/data/test_assets.h"

namespace mcv::trainer {
namespace {

ScenePlan Plan(bool held_out, uint64_t index, double difficulty = 1, PatchGrid grid = {}) {
  RandomStream random(3, index);
  const auto& parts = TestAssets().parts();
  return PlanScene(parts.things, parts.sprites, held_out, grid, difficulty, random);
}

// A scene made by hand: things by name at fractions of the side.
class SceneBuilder {
 public:
  SceneBuilder& Put(const std::string& name, float x, float y, float size = 0.25f) {
    const int thing = TestAssets().things().Find(name);
    EXPECT_GE(thing, 0) << name;
    PlacedThing placed;
    placed.thing = thing;
    placed.x = x * 84;
    placed.y = y * 84;
    placed.size = size * 84;
    placed.tint = TestAssets().things()[thing].shape >= 0 ? Rgb{230, 20, 20} : Rgb{128, 128, 128};
    plan.things.push_back(placed);
    return *this;
  }
  ScenePlan plan;
};

TEST(ThingTable, HasAHundredDistinctNames) {
  const ThingTable& things = TestAssets().things();
  EXPECT_GE(things.num_emoji(), 100);
  std::set<std::string> names, plurals;
  for (int i = 0; i < things.size(); ++i) {
    names.insert(things[i].name);
    plurals.insert(things[i].plural);
    EXPECT_EQ(things.Find(things[i].name), i);
  }
  EXPECT_EQ(static_cast<int>(names.size()), things.size());
  EXPECT_EQ(static_cast<int>(plurals.size()), things.size());
  for (int i = 0; i < things.num_emoji(); ++i) {
    EXPECT_EQ(things[i].name.find(' '), std::string::npos) << things[i].name;
  }
}

TEST(ThingTable, NamesThatEnglishBends) {
  const ThingTable& things = TestAssets().things();
  const auto plural = [&](const char* name) { return things[things.Find(name)].plural; };
  EXPECT_EQ(plural("cat"), "cats");
  EXPECT_EQ(plural("fox"), "foxes");
  EXPECT_EQ(plural("mouse"), "mice");
  EXPECT_EQ(plural("fish"), "fish");
  EXPECT_EQ(plural("strawberry"), "strawberries");
  EXPECT_EQ(plural("key"), "keys");
  EXPECT_EQ(plural("red cross"), "red crosses");
  EXPECT_EQ(WithArticle("apple"), "an apple");
  EXPECT_EQ(WithArticle("umbrella"), "an umbrella");
  EXPECT_EQ(WithArticle("orange star"), "an orange star");
  EXPECT_EQ(WithArticle("key"), "a key");
}

// Heads that were trained once are numbered by these.
TEST(PatchLabels, StayWhenAThingIsAppended) {
  const EmojiRow raccoon{0x1F99D};
  const auto longer = ThingTable::Load(ThingTable::kDefaultAnnotations, {&raccoon, 1});
  ASSERT_TRUE(longer.ok()) << longer.status().ToString();
  const ThingTable& things = TestAssets().things();
  ASSERT_EQ(longer->size(), things.size() + 1);
  for (int i = 0; i < things.size(); ++i) EXPECT_EQ((*longer)[i].name, things[i].name);
  const int appended = longer->Find("raccoon");
  EXPECT_EQ(appended, things.size());
  EXPECT_EQ(ThingTable::EmojiIndex(longer->num_emoji() - 1), appended);

  std::set<int> labels;
  for (int i = 0; i < longer->size(); ++i) labels.insert(ThingLabel(i));
  const int characters = static_cast<int>(Alphabet().size()) + 2;
  for (int i = 0; i < characters; ++i) labels.insert(CharacterLabel(i));
  EXPECT_EQ(static_cast<int>(labels.size()), longer->size() + characters);
  EXPECT_LT(*labels.rbegin(), NumPatchLabels(longer->size(), characters));
}

TEST(PatchLabels, AreThoseOfTheFirstModel) {
  const ThingTable& things = TestAssets().things();
  EXPECT_EQ(ThingLabel(things.Find("monkey")), 0);
  EXPECT_EQ(ThingLabel(things.Find("knife")), 119);
  EXPECT_EQ(ThingLabel(things.Find("red circle")), 120);
  EXPECT_EQ(ThingLabel(things.Find("white cross")), 179);
  EXPECT_EQ(CharacterLabel(AlphabetIndex('a')), 180);
  EXPECT_EQ(CharacterLabel(AlphabetIndex(0x451)), 306);
  EXPECT_EQ(NumPatchLabels(180, 127), 307);
}

TEST(ThingTable, AMissingFileIsNamed) {
  const auto table = ThingTable::Load("/nowhere/en.xml");
  ASSERT_FALSE(table.ok());
  EXPECT_NE(table.status().message().find("/nowhere/en.xml"), std::string::npos);
}

TEST(Scene, SplitsShareNoLayoutNoSizeNoBackground) {
  for (const bool held_out : {false, true}) {
    for (uint64_t i = 0; i < 2000; ++i) {
      const PatchGrid grid = i % 3 == 0 ? PatchGrid{5, 7} : PatchGrid{6, 6};
      const ScenePlan plan = Plan(held_out, i, 0.0005 * static_cast<double>(i), grid);
      EXPECT_EQ(IsHeldOutLayout(LayoutCells(plan)), held_out);
      for (const PlacedThing& placed : plan.things) {
        EXPECT_EQ(IsHeldOutSize(placed.size, grid), held_out);
      }
      if (plan.background.family == BackgroundFamily::kPlain) {
        EXPECT_EQ(IsHeldOutPlainColour(plan.background.first), held_out);
      } else {
        EXPECT_EQ(IsHeldOutFamily(plan.background.family), held_out);
      }
    }
  }
}

TEST(Scene, OneToFiveThingsInsideThePicture) {
  std::map<size_t, int> counts;
  for (uint64_t i = 0; i < 2000; ++i) {
    const ScenePlan plan = Plan(i % 2 == 1, i);
    ++counts[plan.things.size()];
    for (const PlacedThing& placed : plan.things) {
      EXPECT_GE(placed.size, 20.9f);
      EXPECT_GT(placed.x, 0.4f * placed.size);
      EXPECT_LT(placed.x, 84 - 0.4f * placed.size);
    }
  }
  ASSERT_EQ(counts.size(), 5u);
  EXPECT_EQ(counts.begin()->first, 1u);
  for (const auto& [things, times] : counts) EXPECT_GT(times, 50) << things << " things";
}

TEST(Scene, ShapesHaveTheColourThatTheirNameSays) {
  int shapes = 0;
  for (uint64_t i = 0; i < 3000; ++i) {
    const ScenePlan plan = Plan(i % 2 == 1, i);
    for (const PlacedThing& placed : plan.things) {
      const int colour = TestAssets().things()[placed.thing].colour;
      if (colour < 0) continue;
      ++shapes;
      int names = 0;
      for (int c = 0; c < kNumColours; ++c) names += ColourHasName(placed.tint, c);
      EXPECT_TRUE(ColourHasName(placed.tint, colour)) << kColourNames[colour];
      EXPECT_EQ(names, 1) << kColourNames[colour];
    }
    if (plan.background.colour_name >= 0) {
      EXPECT_TRUE(ColourHasName(plan.background.first, plan.background.colour_name));
    }
  }
  EXPECT_GT(shapes, 1000);
}

TEST(Scene, PatchLabelsFollowTheSprites) {
  const auto& parts = TestAssets().parts();
  SceneBuilder scene;
  scene.Put("red square", 0.25f, 0.25f, 0.5f).Put("cat", 0.75f, 0.75f, 0.4f);
  PatchTruth patches;
  const Picture picture = PaintScene(scene.plan, parts.things, parts.sprites, patches);
  const std::vector<int32_t>& labels = patches.label;
  const int square = parts.things.Find("red square"), cat = parts.things.Find("cat");
  ASSERT_EQ(labels.size(), 36u);
  for (int row = 0; row < 3; ++row) {
    for (int col = 0; col < 3; ++col) EXPECT_EQ(labels[row * 6 + col], square) << row << "," << col;
    for (int col = 3; col < 6; ++col) EXPECT_EQ(labels[row * 6 + col], -1) << row << "," << col;
  }
  EXPECT_EQ(labels[4 * 6 + 4], cat);
  EXPECT_EQ(labels[3 * 6], -1);
  EXPECT_EQ(patches.column[0], 3);  // a quarter of twelve cells
  EXPECT_EQ(patches.row[2 * 6 + 2], 3);
  EXPECT_EQ(patches.column[4 * 6 + 4], 9);
  EXPECT_EQ(patches.number[4 * 6 + 4], 0);  // one cat
  EXPECT_EQ(patches.column[3 * 6], -1);
  EXPECT_EQ(patches.number[3 * 6], -1);
  // The middle of the square has its colour, a free corner the background's.
  const uint8_t* middle = &picture.rgb[(21 * 84 + 21) * 3];
  EXPECT_EQ(middle[0], 230);
  EXPECT_EQ(middle[1], 20);
  EXPECT_EQ(picture.rgb[(83 * 84 + 2) * 3 + 1], 255);
}

TEST(Scene, PatchesKnowTheirOwnMemberAndHowManyThereAre) {
  const auto& parts = TestAssets().parts();
  SceneBuilder scene;
  scene.Put("cat", 0.25f, 0.25f, 0.4f).Put("cat", 0.75f, 0.75f, 0.4f).Put("dog", 0.25f, 0.8f, 0.3f);
  PatchTruth patches;
  PaintScene(scene.plan, parts.things, parts.sprites, patches);
  const int first = 1 * 6 + 1, second = 4 * 6 + 4, dog = 4 * 6 + 1;
  EXPECT_EQ(patches.label[first], patches.label[second]);
  EXPECT_EQ(patches.column[first], 3);
  EXPECT_EQ(patches.column[second], 9);
  EXPECT_EQ(patches.number[first], 1);
  EXPECT_EQ(patches.number[second], 1);
  EXPECT_EQ(patches.number[dog], 0);
}

TEST(Questions, NamesFromLeftToRight) {
  const ThingTable& things = TestAssets().things();
  SceneBuilder scene;
  scene.Put("dog", 0.5f, 0.5f).Put("red circle", 0.8f, 0.2f).Put("dog", 0.9f, 0.9f);
  scene.Put("apple", 0.2f, 0.2f);
  EXPECT_EQ(NameScene(scene.plan, things), "An apple, two dogs and a red circle");
}

TEST(Questions, PositionsAreThirdsWithABorderBetween) {
  const auto name = [](float x, float y) {
    PlacedThing placed;
    placed.x = x * 84;
    placed.y = y * 84;
    return PositionName(placed, PatchGrid{});
  };
  EXPECT_EQ(name(0.1f, 0.1f), "top left");
  EXPECT_EQ(name(0.5f, 0.1f), "top");
  EXPECT_EQ(name(0.9f, 0.5f), "right");
  EXPECT_EQ(name(0.5f, 0.5f), "centre");
  EXPECT_EQ(name(0.2f, 0.9f), "bottom left");
  EXPECT_EQ(name(0.34f, 0.1f), "");
}

TEST(Questions, AnswersAreTrueOfAKnownScene) {
  const ThingTable& things = TestAssets().things();
  SceneBuilder scene;
  scene.Put("cat", 0.15f, 0.5f).Put("blue star", 0.85f, 0.5f);
  scene.plan.background.colour_name = 4;
  std::set<std::string> seen;
  for (uint64_t i = 0; i < 500; ++i) {
    RandomStream random(9, i);
    for (const Turn& turn : AskAboutScene(scene.plan, things, 3, 5, random)) {
      seen.insert(turn.question + " " + turn.answer);
    }
  }
  for (const char* expected :
       {"What is in the picture? A cat and a blue star", "Where is the cat? Left",
        "Where is the star? Right", "What is left of the star? A cat",
        "What is right of the cat? A blue star", "What colour is the star? Blue",
        "Is the cat left of the star? Yes", "Is the star left of the cat? No",
        "Is there a cat? Yes", "How many cats are there? One", "Is the star blue? Yes",
        "What color is the background? Blue",
        "Describe the picture. There is a cat and a blue star on a blue background."}) {
    EXPECT_TRUE(seen.contains(expected)) << expected;
  }
  for (const char* wrong : {"Is there a cat? No", "Is the cat left of the star? No",
                            "Is the star blue? No", "Is there a star? No"}) {
    EXPECT_FALSE(seen.contains(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace mcv::trainer
