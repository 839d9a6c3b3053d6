#include "trainer/data/scoring.h"

#include <gtest/gtest.h>

namespace mcv::trainer {
namespace {

AnswerScore Score(QuestionType type, const char* truth, const char* answer) {
  return ScoreAnswer({type, "?", truth}, answer);
}

TEST(Scoring, EditDistanceCountsCharacters) {
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
  EXPECT_EQ(EditDistance("", "abc"), 3);
  EXPECT_EQ(EditDistance("abc", "abc"), 0);
  EXPECT_EQ(EditDistance("\xCE\xB1\xCE\xB2", "\xCE\xB1\xCE\xB3"), 1);
  EXPECT_EQ(EditDistance("a", "a\xCE"), 1);  // an answer cut inside a character
}

TEST(Scoring, ShortAnswersMatchWhole) {
  EXPECT_TRUE(Score(QuestionType::kCount, "Two", " two.").exact);
  EXPECT_FALSE(Score(QuestionType::kCount, "Two", "Three").exact);
  EXPECT_FALSE(Score(QuestionType::kPosition, "Top left", "Top").exact);
  EXPECT_EQ(Score(QuestionType::kPosition, "Top left", "Top").partial, 0);
}

TEST(Scoring, NamesComeInAnyOrder) {
  const char* truth = "A cat, two dogs and a red circle";
  EXPECT_TRUE(Score(QuestionType::kName, truth, "Two dogs, a red circle and a cat").exact);
  const AnswerScore two_of_three = Score(QuestionType::kName, truth, "A cat and two dogs");
  EXPECT_FALSE(two_of_three.exact);
  EXPECT_NEAR(two_of_three.partial, 2 / 3.0, 1e-9);
  EXPECT_NEAR(Score(QuestionType::kName, "A cat", "A cat and a dog").partial, 0.5, 1e-9);
  EXPECT_EQ(Score(QuestionType::kName, "A cat", "").partial, 0);
}

TEST(Scoring, DescriptionsAlsoNameTheGround) {
  const char* truth = "There is a cat on a red background.";
  EXPECT_TRUE(Score(QuestionType::kDescribe, truth, truth).exact);
  EXPECT_NEAR(Score(QuestionType::kDescribe, truth, "There is a cat.").partial, 0.5, 1e-9);
}

TEST(Scoring, ReadingCountsCharactersAndCase) {
  EXPECT_TRUE(Score(QuestionType::kRead, "word", "word\n").exact);
  EXPECT_FALSE(Score(QuestionType::kRead, "word", "Word").exact);
  EXPECT_NEAR(Score(QuestionType::kRead, "word", "ward").partial, 0.75, 1e-9);
  EXPECT_EQ(Score(QuestionType::kRead, "ab", "something else").partial, 0);
}

TEST(Scoring, FormsAreQuestionsWithoutTheirThings) {
  EXPECT_EQ(QuestionForm("Are there two cats?"), "are there two *");
  EXPECT_EQ(QuestionForm("Is the dog left of the red star?"), "is the * left of the red *");
  EXPECT_EQ(QuestionForm("What color is the background?"), "what color is the background");
  EXPECT_EQ(QuestionForm("What color is the hat?"), "what color is the *");
  EXPECT_EQ(QuestionForm(""), "");
}

}  // namespace
}  // namespace mcv::trainer
