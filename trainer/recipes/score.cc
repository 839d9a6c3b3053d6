#include "trainer/recipes/score.h"

#include <algorithm>
#include <cstdio>

#include "trainer/data/scoring.h"

namespace mcv::trainer {
namespace {

constexpr int kBatch = 50;
constexpr size_t kMostExamples = 60;

double Percent(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void Count(bool right, TypeScore& score) {
  score.asked += 1;
  score.right += right ? 1 : 0;
}

void CountTurn(SampleKind kind, const Turn& turn, const std::string& answer, ScoreTable& table) {
  const AnswerScore scored = ScoreAnswer(turn, answer);
  TypeScore& score =
      kind == SampleKind::kString ? table.strings : table.types[static_cast<size_t>(turn.type)];
  Count(scored.exact, score);
  score.partial += scored.partial;
  if (turn.type == QuestionType::kYesNo) {
    Count(scored.exact, turn.answer == "Yes" ? table.yes_truths : table.no_truths);
  }
  if (!scored.exact && table.examples.size() < kMostExamples) {
    table.examples.push_back({turn.question, turn.answer, answer});
  }
}

void ScoreKind(DataGenerator& generator, const ScoreOptions& options, SampleKind kind, int count,
               const Answerer& answerer, ScoreTable& table) {
  // Groups are counted until enough of the wanted kind were seen, so grids vary as in training.
  const uint64_t group_size = static_cast<uint64_t>(generator.config().group_size);
  uint64_t index = options.first_index;
  while (count > 0) {
    GroupPlan plan = PlanGroup(generator.config(), options.split, index / group_size);
    // Strings come in the shapes of words.
    if (plan.kind == SampleKind::kWord && kind == SampleKind::kString) plan.kind = kind;
    if (plan.kind != kind) {
      index = (index / group_size + 1) * group_size;
      continue;
    }
    std::vector<Sample> samples;
    for (int i = 0; i < std::min(kBatch, count); ++i) {
      samples.push_back(generator.Make(options.split, index++, plan));
      if (index % group_size == 0) break;
    }
    count -= static_cast<int>(samples.size());
    const std::vector<std::string> answers = answerer(samples);
    size_t next = 0;
    for (const Sample& sample : samples) {
      for (const Turn& turn : sample.turns) CountTurn(kind, turn, answers[next++], table);
    }
  }
}

}  // namespace

ScoreTable Score(DataGenerator& generator, const ScoreOptions& options, const Answerer& answerer) {
  ScoreTable table;
  ScoreKind(generator, options, SampleKind::kScene, options.scenes, answerer, table);
  ScoreKind(generator, options, SampleKind::kWord, options.words, answerer, table);
  ScoreKind(generator, options, SampleKind::kString, options.strings, answerer, table);
  return table;
}

const char* QuestionTypeName(QuestionType type) {
  switch (type) {
    case QuestionType::kName:
      return "naming";
    case QuestionType::kCount:
      return "counting";
    case QuestionType::kColour:
      return "colours";
    case QuestionType::kPosition:
      return "positions";
    case QuestionType::kRelation:
      return "relations";
    case QuestionType::kYesNo:
      return "yes/no";
    case QuestionType::kRead:
      return "reading words";
    case QuestionType::kDescribe:
      return "describing";
    case QuestionType::kNumTypes:
      break;
  }
  return "?";
}

std::string FormatScores(const ScoreTable& table) {
  std::string text;
  char line[160];
  std::snprintf(line, sizeof(line), "%-22s %8s %9s %9s\n", "question", "asked", "right",
                "guessing");
  text += line;
  const auto row = [&](const char* name, int64_t asked, double right, double guessing) {
    if (asked == 0) return;
    std::snprintf(line, sizeof(line), "%-22s %8lld %8.1f%% %8.1f%%\n", name,
                  static_cast<long long>(asked), right, guessing);
    text += line;
  };
  for (size_t i = 0; i < table.types.size(); ++i) {
    const auto type = static_cast<QuestionType>(i);
    const TypeScore& score = table.types[i];
    row(QuestionTypeName(type), score.asked, Percent(score.right, score.asked),
        100.0 * GuessingLevel(type));
    if (type == QuestionType::kRead || type == QuestionType::kName) {
      row(type == QuestionType::kRead ? "  characters" : "  things of the list", score.asked,
          100.0 * score.partial / static_cast<double>(std::max<int64_t>(1, score.asked)), 0.0);
    }
  }
  row("reading strings", table.strings.asked, Percent(table.strings.right, table.strings.asked),
      0.0);
  row("  characters", table.strings.asked,
      100.0 * table.strings.partial /
          static_cast<double>(std::max<int64_t>(1, table.strings.asked)),
      0.0);
  row("  truth is yes", table.yes_truths.asked,
      Percent(table.yes_truths.right, table.yes_truths.asked), 50.0);
  row("  truth is no", table.no_truths.asked, Percent(table.no_truths.right, table.no_truths.asked),
      50.0);
  return text;
}

}  // namespace mcv::trainer
