// Exact accuracies per question type on pictures never trained on.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "trainer/data/generator.h"

namespace mcv::trainer {

struct TypeScore {
  int64_t asked = 0;
  int64_t right = 0;
  double partial = 0.0;  // sum of AnswerScore::partial
};

struct ScoreOptions {
  Split split = Split::kHeldOut;
  double scene_difficulty = 0.5;
  double word_difficulty = 0.0;
  int scenes = 400;
  int words = 100;
  int strings = 100;  // letters that are no word
  uint64_t first_index = 0;
};

struct WrongAnswer {
  std::string question;
  std::string truth;
  std::string answer;
};

struct ScoreTable {
  std::array<TypeScore, static_cast<size_t>(QuestionType::kNumTypes)> types;  // kRead: of words
  TypeScore strings;                                                          // kRead, of strings
  TypeScore yes_truths;  // yes/no questions whose true answer is yes, and no
  TypeScore no_truths;
  std::vector<WrongAnswer> examples;  // a few of each kind, for people
};

// Called with a batch of samples; returns an answer for every turn of every sample, in order.
using Answerer = std::function<std::vector<std::string>(const std::vector<Sample>&)>;

ScoreTable Score(DataGenerator& generator, const ScoreOptions& options, const Answerer& answerer);

const char* QuestionTypeName(QuestionType type);

// A table for people, guessing levels beside each number.
std::string FormatScores(const ScoreTable& table);

}  // namespace mcv::trainer
