// The things a picture may show: colour emoji with short, everyday names, and coloured shapes.
//
// The names are Unicode's own (CLDR annotations, the short "tts" names), looked up at run time, so
// the table in things.cc holds only code points and the few plurals that English does not form by
// rule. A thing's index never changes, since heads of trained models are numbered by it
// (patch_labels.h): the emoji that were there first, every shape in every colour, so that "a red
// circle" and "a blue circle" are different and the encoder has to learn colour from the first
// step, then the emoji that were appended since.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mcv::trainer {

inline constexpr std::array<std::string_view, 10> kColourNames = {
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"};
inline constexpr int kNumColours = static_cast<int>(kColourNames.size());

inline constexpr std::array<std::string_view, 6> kShapeNames = {"circle", "square", "triangle",
                                                                "star",   "heart",  "cross"};
inline constexpr int kNumShapes = static_cast<int>(kShapeNames.size());

// The table as it was when the first model was trained.
inline constexpr int kFirstEmoji = 120;
inline constexpr int kFirstThings = kFirstEmoji + 60;
static_assert(kFirstEmoji + kNumShapes * kNumColours == kFirstThings,
              "another shape or colour would move what stands behind it: append it as a thing");

struct EmojiRow {
  char32_t code_point;
  // Where Unicode's short name is long or rare ("automobile"), one of its own keywords; else null
  // and the short name is used.
  const char* keyword = nullptr;
  const char* plural = nullptr;  // only where the rules of Plural() do not give it
};

struct Thing {
  char32_t code_point = 0;  // 0 for shapes
  std::string name;         // "cat", "red circle"
  std::string plural;       // "cats", "red circles"
  std::string noun;         // the name without the colour: "cat", "circle"
  std::string noun_plural;  // "cats", "circles"
  int shape = -1;           // index in kShapeNames, -1 for emoji
  int colour = -1;          // index in kColourNames, -1 for emoji
};

// "a cat", "an apple": the article goes by the first letter, which is right for every name here.
std::string WithArticle(const std::string& name);
// "one" ... "ten" for 1 to 10.
std::string_view NumberWord(int count);

class ThingTable {
 public:
  // Reads the names from `annotations_xml` (Debian: unicode-cldr-core). An error names the code
  // point whose name is missing. `appended` comes behind the table's own rows: for tests.
  static Result<ThingTable> Load(const std::string& annotations_xml = kDefaultAnnotations,
                                 std::span<const EmojiRow> appended = {});

  static constexpr char kDefaultAnnotations[] = "/usr/share/unicode/cldr/common/annotations/en.xml";

  int size() const { return static_cast<int>(things_.size()); }
  int num_emoji() const { return num_emoji_; }
  // Index of the k-th emoji: those appended later stand behind the shapes.
  static int EmojiIndex(int k) { return k < kFirstEmoji ? k : k + kNumShapes * kNumColours; }
  const Thing& operator[](int index) const { return things_[index]; }
  static int ShapeIndex(int shape, int colour) {
    return kFirstEmoji + shape * kNumColours + colour;
  }
  // Index of the thing called `name` ("cat", "red circle"), or -1.
  int Find(std::string_view name) const;

 private:
  void AddShapes();

  std::vector<Thing> things_;
  int num_emoji_ = 0;
};

}  // namespace mcv::trainer
