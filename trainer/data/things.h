// The things a picture may show: colour emoji with short, everyday names, and coloured shapes.
//
// The names are Unicode's own (CLDR annotations, the short "tts" names), looked up at run time, so
// the table in things.cc holds only code points and the few plurals that English does not form by
// rule. A thing's index is the dense label of the patches that show it: emoji first, then every
// shape in every colour, so "a red circle" and "a blue circle" are different labels and the encoder
// has to learn colour from the first step.
#pragma once

#include <array>
#include <cstdint>
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
  // point whose name is missing.
  static Result<ThingTable> Load(const std::string& annotations_xml = kDefaultAnnotations);

  static constexpr char kDefaultAnnotations[] = "/usr/share/unicode/cldr/common/annotations/en.xml";

  int size() const { return static_cast<int>(things_.size()); }
  int num_emoji() const { return num_emoji_; }
  const Thing& operator[](int index) const { return things_[index]; }
  int ShapeIndex(int shape, int colour) const { return num_emoji_ + shape * kNumColours + colour; }
  // Index of the thing called `name` ("cat", "red circle"), or -1.
  int Find(std::string_view name) const;

 private:
  std::vector<Thing> things_;
  int num_emoji_ = 0;
};

}  // namespace mcv::trainer
