// How right an answer is. One rule for every question type, so that recipes, evaluation and the
// numbers in models/README.md mean the same.
#pragma once

#include <string>
#include <string_view>

#include "trainer/data/sample.h"

namespace mcv::trainer {

struct AnswerScore {
  // The same but for case, blanks around it and a full stop; lists of things in any order.
  bool exact = false;
  // kRead: 1 - edit distance / length, at least 0: the share of characters read right.
  // kName, kDescribe, kRelation: things named right ("two cats" is one), out of the longer list.
  // Other types: 1 if exact, else 0.
  double partial = 0;
};

AnswerScore ScoreAnswer(const Turn& truth, std::string_view answer);

// What is left of a question without the things that it is about, which is what answers can be
// foreseen from: "Are there two cats?" -> "are there two *", "Is the dog left of the red star?" ->
// "is the * left of the red *".
std::string QuestionForm(std::string_view question);

// Characters (code points) to insert, remove or replace to turn one text into the other.
int EditDistance(std::string_view a, std::string_view b);

}  // namespace mcv::trainer
