// The evaluator's counting, with answers that are known.
#include "trainer/recipes/score.h"

#include <gtest/gtest.h>

#include "trainer/data/test_assets.h"

namespace mcv::trainer {
namespace {

// Knows everything but strings, of which the last letter is lost.
std::vector<std::string> AnswerAll(const std::vector<Sample>& samples) {
  std::vector<std::string> answers;
  for (const Sample& sample : samples) {
    for (const Turn& turn : sample.turns) {
      answers.push_back(turn.answer);
      if (sample.kind == SampleKind::kString) answers.back().pop_back();
    }
  }
  return answers;
}

TEST(ScoreTest, WordsAndStringsAreCountedApart) {
  DataConfig config;
  config.group_size = 4;
  DataGenerator generator(SharedTestAssets(), config);
  ScoreOptions options;
  options.scenes = 12;
  options.words = 9;
  options.strings = 7;
  const ScoreTable table = Score(generator, options, AnswerAll);
  const TypeScore& words = table.types[static_cast<size_t>(QuestionType::kRead)];
  EXPECT_EQ(words.asked, 9);
  EXPECT_EQ(words.right, 9);
  EXPECT_EQ(table.strings.asked, 7);
  EXPECT_EQ(table.strings.right, 0);
  EXPECT_GT(table.strings.partial, 3.0);
  EXPECT_LT(table.strings.partial, 7.0);
  EXPECT_EQ(table.yes_truths.right + table.no_truths.right,
            table.types[static_cast<size_t>(QuestionType::kYesNo)].asked);
  const std::string text = FormatScores(table);
  EXPECT_NE(text.find("reading words"), std::string::npos) << text;
  EXPECT_NE(text.find("reading strings"), std::string::npos) << text;
}

}  // namespace
}  // namespace mcv::trainer
