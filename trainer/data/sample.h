// One training example: a picture, what a person could ask about it, and what is true.
//
// Samples are pure functions of (seed, index): no state travels between them, so any worker can
// draw any sample, a run can resume at an index, and an evaluation can be repeated bit for bit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mcv::trainer {

// Which pictures a sample may be made of. Nothing of a held-out split is ever seen in kTrain.
enum class Split {
  kTrain,    // layouts, sizes, backgrounds, words and fonts of the training set
  kHeldOut,  // words, fonts, scene layouts, sizes and backgrounds never trained on
  kHarder,   // held-out scenes drawn in another emoji design
};

// kString: letters that are no word, one string to a picture. Training mixes them into words;
// evaluation asks for them by name, since what is read there owes nothing to language.
enum class SampleKind { kScene, kWord, kLine, kString };

// kRelation: "What is left of the dog?", answered with what stands there.
enum class QuestionType {
  kName,
  kCount,
  kColour,
  kPosition,
  kYesNo,
  kRead,
  kDescribe,
  kRelation,
  kNumTypes
};

// 8-bit RGB, rows top to bottom, no padding: rgb.size() == width * height * 3.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

// What is true of each 14x14 patch, row-major; -1 where a patch shows nothing or is ambiguous. The
// encoder is trained to say all of it under every patch: values carry no position through the
// resampler, so what the answers need (which thing, where, how many) has to be in the features.
struct PatchTruth {
  // Scenes: the thing. Text: the character (both numbered in patch_labels.h).
  std::vector<int32_t> label;
  // Scenes: where the thing's centre lies, as cells of kPlaceCells along each side of the picture
  // (a multiple of three: names of positions are thirds). Text: -1.
  std::vector<int32_t> column;
  std::vector<int32_t> row;
  // Scenes: how many of the thing the picture shows, less one, below kMostThings. Text: kMostThings
  // + the character's index in the text, cut at kMostCharacters.
  std::vector<int32_t> number;

  void Assign(int patches) {
    for (auto* list : {&label, &column, &row, &number}) list->assign(patches, -1);
  }
  bool operator==(const PatchTruth&) const = default;
};
inline constexpr int kPlaceCells = 12;
inline constexpr int kMostThings = 5;
inline constexpr int kMostCharacters = 16;
inline constexpr int kNumberClasses = kMostThings + kMostCharacters;

struct Turn {
  QuestionType type = QuestionType::kName;
  std::string question;
  std::string answer;
};

// The picture's width and height are multiples of 14, so it needs no resize before the encoder.
struct Sample {
  SampleKind kind = SampleKind::kScene;
  Picture picture;
  std::vector<Turn> turns;
  PatchTruth patches;
  // Scene level truth for the auxiliary losses: the things shown (sorted, unique); empty for text.
  std::vector<int32_t> things;
  // Words and lines: the printed text.
  std::string text;
};

}  // namespace mcv::trainer
