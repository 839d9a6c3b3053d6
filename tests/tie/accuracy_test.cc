// The accuracy program's counting, and one run of it on the tiny model.
#include "bench/accuracy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tie/trained_model.h"
#include "trainer/data/test_assets.h"

namespace mcv::bench {
namespace {

using trainer::QuestionType;

AskedQuestion Asked(QuestionType type, const std::string& truth, const std::string& answer) {
  return {{type, "?", truth}, answer};
}

const AccuracyRow* FindRow(const AccuracyReport& report, const std::string& name) {
  for (const AccuracyRow& row : report.rows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

TEST(AccuracyTest, CountsWhatIsRightAndWhatGuessingGives) {
  const AccuracyReport report = Summarise({
      Asked(QuestionType::kCount, "Two", "two."),
      Asked(QuestionType::kCount, "Two", "Three"),
      Asked(QuestionType::kCount, "Five", "Five"),
      Asked(QuestionType::kYesNo, "No", "Yes"),
      Asked(QuestionType::kYesNo, "No", "No"),
      Asked(QuestionType::kYesNo, "Yes", "Yes"),
      Asked(QuestionType::kRead, "cats", "cuts"),
      Asked(QuestionType::kName, "A cat and two dogs", "Two dogs and a cat"),
      Asked(QuestionType::kName, "An owl", "A key"),
  });
  const AccuracyRow* count = FindRow(report, "counting to five");
  ASSERT_NE(count, nullptr);
  EXPECT_EQ(count->questions, 3);
  EXPECT_NEAR(count->exact, 2.0 / 3.0, 1e-9);
  EXPECT_NEAR(count->exact_guess, 2.0 / 3.0, 1e-9);  // always "Two"
  EXPECT_EQ(report.true_no, 2);
  EXPECT_NEAR(FindRow(report, "yes/no, where no is true")->exact, 0.5, 1e-9);
  EXPECT_NEAR(FindRow(report, "yes/no, where yes is true")->exact, 1.0, 1e-9);
  const AccuracyRow* reading = FindRow(report, "reading, whole words");
  EXPECT_EQ(reading->exact, 0.0);
  EXPECT_NEAR(reading->partial, 0.75, 1e-9);
  EXPECT_NEAR(FindRow(report, "naming")->exact, 0.5, 1e-9);
  EXPECT_EQ(report.different_things, 2);  // the cat and the owl; plurals are not told apart
  EXPECT_EQ(FindRow(report, "colours"), nullptr);
  EXPECT_THAT(ToText(report), testing::HasSubstr("| reading, characters"));
}

// Words of a language can be guessed from a few of their letters, other strings can not.
TEST(AccuracyTest, WordsAndStringsAreTwoRows) {
  AskedQuestion word = Asked(QuestionType::kRead, "cats", "cats");
  word.kind = trainer::SampleKind::kWord;
  AskedQuestion string = Asked(QuestionType::kRead, "xkqv", "xkav");
  string.kind = trainer::SampleKind::kString;
  const AccuracyReport report = Summarise({word, string});
  ASSERT_NE(FindRow(report, "reading, whole strings"), nullptr);
  EXPECT_EQ(FindRow(report, "reading, whole words")->questions, 1);
  EXPECT_EQ(FindRow(report, "reading, whole words")->exact, 1.0);
  EXPECT_EQ(FindRow(report, "reading, whole strings")->exact, 0.0);
  EXPECT_NEAR(FindRow(report, "reading, whole strings")->partial, 0.75, 1e-9);
  EXPECT_THAT(ToText(report), testing::HasSubstr("| reading, characters of strings"));
}

// Half of these are true, but who hears the number knows which.
TEST(AccuracyTest, GuessingHearsTheQuestion) {
  std::vector<AskedQuestion> asked;
  for (int i = 0; i < 40; ++i) {
    const bool two = i % 4 < 2;
    asked.push_back({{QuestionType::kYesNo, two ? "Are there two cats?" : "Are there three dogs?",
                      two ? "Yes" : "No"},
                     "Yes"});
  }
  for (int i = 0; i < 40; ++i) {  // and here nobody knows
    asked.push_back({{QuestionType::kYesNo, "Is there a cat?", i % 4 < 2 ? "Yes" : "No"}, "Yes"});
  }
  const AccuracyReport report = Summarise(asked);
  EXPECT_NEAR(FindRow(report, "yes/no")->exact, 0.5, 1e-9);
  EXPECT_NEAR(FindRow(report, "yes/no")->exact_guess, 0.75, 1e-9);
  EXPECT_EQ(FindRow(report, "yes/no, is the number right")->questions, 40);
  EXPECT_NEAR(FindRow(report, "yes/no, is the number right")->exact_guess, 1.0, 1e-9);
}

TEST(AccuracyTest, TheSameAnswersEveryTimeOnAnyNumberOfThreads) {
  const auto engine = tie::TrainedModel::Get().Open(tie::Form::kGgufQ8_0, Numerics::kFast);
  AccuracyOptions options;
  options.scenes = 3;
  options.words = 3;
  options.strings = 3;
  std::vector<std::string> first;
  for (const int threads : {1, 3}) {
    options.threads = threads;
    const auto questions = AskAll(*engine, trainer::SharedTestAssets(), options);
    ASSERT_TRUE(questions.ok()) << questions.status().ToString();
    std::vector<std::string> lines;
    for (const AskedQuestion& q : *questions) {
      lines.push_back(q.turn.question + q.turn.answer + q.answer);
    }
    EXPECT_GE(lines.size(), 3u * 3u + 3u + 3u);
    int strings = 0;
    for (const AskedQuestion& q : *questions) strings += q.kind == trainer::SampleKind::kString;
    EXPECT_EQ(strings, 3);
    if (first.empty()) first = lines;
    EXPECT_EQ(lines, first);
  }
}

}  // namespace
}  // namespace mcv::bench
