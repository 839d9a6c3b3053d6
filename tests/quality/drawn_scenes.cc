#include "tests/quality/drawn_scenes.h"

#include <array>
#include <cmath>
#include <cstdint>

namespace mcv::quality {
namespace {

constexpr int kSide = 84;  // one view of 6 x 6 patches
constexpr int kCell = kSide / 3;

enum class Shape { kCircle, kSquare, kTriangle };
constexpr std::array kShapeNames = {"circle", "square", "triangle"};
const char* Name(Shape shape) { return kShapeNames[static_cast<size_t>(shape)]; }

struct Colour {
  const char* name;
  std::array<uint8_t, 3> rgb;
};
constexpr Colour kRed = {"red", {230, 25, 25}};
constexpr Colour kOrange = {"orange", {250, 145, 20}};
constexpr Colour kYellow = {"yellow", {250, 230, 40}};
constexpr Colour kGreen = {"green", {50, 160, 60}};
constexpr Colour kBlue = {"blue", {40, 90, 220}};
constexpr Colour kPurple = {"purple", {130, 50, 180}};
constexpr Colour kBlack = {"black", {12, 12, 12}};
constexpr Colour kWhite = {"white", {250, 250, 250}};

// Cells are counted row by row from the top left.
constexpr std::array kCellNames = {"top left", "top",         "top right", "left",        "centre",
                                   "right",    "bottom left", "bottom",    "bottom right"};

// Equal shapes of one colour.
struct Group {
  Shape shape;
  const Colour& colour;
  std::vector<int> cells;
  int count() const { return static_cast<int>(cells.size()); }
};

// Groups from left to right, each of another shape.
struct Scene {
  const Colour& ground;
  std::vector<Group> groups;
};

std::vector<Scene> Scenes() {
  using enum Shape;
  return {
      {kWhite, {{kCircle, kRed, {0}}, {kSquare, kBlue, {8}}}},
      {kGreen, {{kTriangle, kYellow, {3}}, {kCircle, kBlack, {5}}}},
      {kBlue, {{kSquare, kOrange, {0, 3, 6}}}},
      {kYellow, {{kCircle, kPurple, {6}}, {kTriangle, kGreen, {2}}}},
      {kBlack, {{kSquare, kWhite, {1, 4}}, {kCircle, kRed, {5}}}},
      {kRed, {{kTriangle, kWhite, {7}}, {kSquare, kYellow, {2}}}},
      {kWhite, {{kCircle, kGreen, {0, 2, 6, 8}}}},
  };
}

// (x, y) from the cell's centre.
bool Covers(Shape shape, double x, double y, double radius) {
  switch (shape) {
    case Shape::kCircle:
      return std::hypot(x, y) <= radius;
    case Shape::kSquare:
      return std::abs(x) <= 0.9 * radius && std::abs(y) <= 0.9 * radius;
    case Shape::kTriangle:  // tip above
      return y <= 0.85 * radius && 1.8 * std::abs(x) <= y + 0.95 * radius;
  }
  return false;
}

void Paint(const Group& group, Image* image) {
  constexpr double kRadius = 0.46 * kCell;
  for (const int cell : group.cells) {
    const int column = cell % 3;
    const int row = cell / 3;
    const double centre_x = kCell * (column + 0.5);
    const double centre_y = kCell * (row + 0.5);
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        if (!Covers(group.shape, x + 0.5 - centre_x, y + 0.5 - centre_y, kRadius)) continue;
        uint8_t* pixel = &image->pixels[size_t{3} * static_cast<size_t>(y * kSide + x)];
        for (size_t c = 0; c < 3; ++c) pixel[c] = group.colour.rgb[c];
      }
    }
  }
}

Image Draw(const Scene& scene) {
  Image image{kSide, kSide, {}};
  for (int i = 0; i < kSide * kSide; ++i) {
    image.pixels.insert(image.pixels.end(), scene.ground.rgb.begin(), scene.ground.rgb.end());
  }
  for (const Group& group : scene.groups) Paint(group, &image);
  return image;
}

std::string Capital(std::string text) {
  text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string NumberWord(int count) {
  constexpr std::array kWords = {"one", "two", "three", "four", "five"};
  return kWords.at(static_cast<size_t>(count - 1));
}

std::string WithArticle(const std::string& name) { return (name[0] == 'o' ? "an " : "a ") + name; }

std::string Some(const Group& group) {
  const std::string name = std::string(group.colour.name) + " " + Name(group.shape);
  return group.count() == 1 ? WithArticle(name) : NumberWord(group.count()) + " " + name + "s";
}

std::string List(const Scene& scene) {
  std::string list;
  for (const Group& group : scene.groups) list += (list.empty() ? "" : " and ") + Some(group);
  return list;
}

void AskAbout(const Group& group, std::vector<Exchange>* out) {
  const std::string noun = Name(group.shape);
  const std::string colour = group.colour.name;
  out->push_back({"How many " + noun + "s are there?", Capital(NumberWord(group.count()))});
  out->push_back({"Is there " + WithArticle(colour + " " + noun) + "?", "Yes"});
  if (group.count() > 1) {
    out->push_back({"What colour are the " + noun + "s?", Capital(colour)});
    return;
  }
  out->push_back({"What colour is the " + noun + "?", Capital(colour)});
  out->push_back(
      {"Where is the " + noun + "?", Capital(kCellNames[static_cast<size_t>(group.cells[0])])});
}

std::vector<Exchange> AskAbout(const Scene& scene) {
  std::vector<Exchange> out = {{"What is in the picture?", Capital(List(scene))}};
  for (const Group& group : scene.groups) AskAbout(group, &out);
  out.push_back({"What color is the background?", Capital(scene.ground.name)});
  out.push_back({"Is there a heart in the picture?", "No"});
  out.push_back({"Describe the picture.",
                 std::string("There ") + (scene.groups[0].count() > 1 ? "are " : "is ") +
                     List(scene) + " on " + WithArticle(scene.ground.name) + " background."});
  return out;
}

}  // namespace

Result<std::vector<Conversation>> TrueConversations() {
  std::vector<Conversation> out;
  for (const Scene& scene : Scenes()) out.push_back({Draw(scene), AskAbout(scene)});
  MCV_ASSIGN_OR_RETURN(DecodedImage demo, LoadImage(MCV_SOURCE_DIR "/docs/pictures/demo.png"));
  out.push_back({std::move(demo.image),
                 {{"What is in the picture?", "Two guitars"},
                  {"How many guitars are there?", "Two"},
                  {"Is there a rabbit?", "No"},
                  {"What color is the background?", "Green"},
                  {"Describe the picture.", "There are two guitars on a green background."}}});
  MCV_ASSIGN_OR_RETURN(DecodedImage word, LoadImage(MCV_SOURCE_DIR "/docs/pictures/word.png"));
  out.push_back({std::move(word.image), {{"What does it say?", "kitchen"}}});
  return out;
}

}  // namespace mcv::quality
