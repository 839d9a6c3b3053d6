// The ladder as tables for people.
#include "apps/bench/ladder.h"
#include "apps/bench/report.h"
#include "apps/bench/values.h"

namespace mcv::bench {
namespace {

std::string ValueCell(LadderMeasure measure, const std::optional<double>& value) {
  return value ? ValueText(measure, *value) : "-";
}

std::string TimesCell(const std::optional<double>& times) {
  return times ? TimesText(*times) : "-";
}

// Columns in the order of kLadderMeasures, the paper's beside ours where it has any.
std::string Header(const LadderResults& results, const std::string& first,
                   const std::string& last) {
  std::vector<std::string> cells = {first};
  std::string rule = "|---|";
  for (const LadderMeasure measure : kLadderMeasures) {
    cells.push_back(MeasureName(measure));
    rule += "--:|";
    if (!results.steps.front().step.Paper(measure)) continue;
    cells.emplace_back("paper");
    rule += "--:|";
  }
  if (!last.empty()) {
    cells.push_back(last);
    rule += "--:|";
  }
  return Cells(cells) + rule + "\n";
}

// The middle of what was the process's own memory.
std::string OwnMemoryCell(const StepSamples& samples) {
  std::vector<double> bytes;
  for (const Measured& run : samples.runs) {
    if (run.own_bytes > 0) bytes.push_back(static_cast<double>(run.own_bytes));
  }
  return bytes.empty() ? "-" : ValueText(LadderMeasure::kMemory, Median(std::move(bytes)));
}

std::string ValuesTable(const LadderResults& results) {
  std::string text = Header(results, "step", "of it no file's");
  for (const StepSamples& samples : results.steps) {
    std::vector<std::string> cells = {samples.step.title};
    for (const LadderMeasure measure : kLadderMeasures) {
      cells.push_back(ValueCell(measure, MedianOf(measure, samples)));
      if (const auto paper = samples.step.Paper(measure)) {
        cells.push_back(ValueCell(measure, paper));
      }
    }
    cells.push_back(OwnMemoryCell(samples));
    text += Cells(cells);
  }
  return text;
}

std::string TimesTable(const LadderResults& results) {
  std::string text = Header(results, "times better than none", "");
  for (size_t i = 1; i < results.steps.size(); ++i) {
    std::vector<std::string> cells = {results.steps[i].step.title};
    for (const LadderMeasure measure : kLadderMeasures) {
      cells.push_back(TimesCell(TimesOf(measure, results, i)));
      if (results.steps[i].step.Paper(measure)) {
        cells.push_back(TimesCell(PaperTimesOf(measure, results, i)));
      }
    }
    text += Cells(cells);
  }
  return text;
}

std::string StepsText(const LadderResults& results) {
  std::string text;
  for (const StepSamples& samples : results.steps) {
    text += "- **" + samples.step.title + "**: " + samples.step.what;
    if (!samples.runs.empty()) text += " (" + samples.runs.back().setup + ")";
    text += "\n";
  }
  return text;
}

std::string SinglesText(const LadderResults& results) {
  if (results.steps.front().runs.size() < 2) return "";
  std::string text = "\nSingle values:\n\n" + Cells({"step", "encode", "first token", "decode"}) +
                     "|---|---|---|---|\n";
  for (const StepSamples& samples : results.steps) {
    std::vector<std::string> cells = {samples.step.title};
    for (const LadderMeasure measure :
         {LadderMeasure::kEncode, LadderMeasure::kFirstToken, LadderMeasure::kDecode}) {
      std::string values;
      for (const Measured& run : samples.runs) {
        const auto value = ValueOf(measure, run);
        values += (values.empty() ? "" : ", ") + ValueCell(measure, value);
      }
      cells.push_back(values);
    }
    text += Cells(cells);
  }
  return text;
}

}  // namespace

std::string LadderHead(const LadderResults& results) {
  return "minicpmv " + Setting(results.settings, "program") + ", " + results.date;
}

std::string LadderMachine(const LadderResults& results) {
  const std::string text = MachineText(results.machine);
  for (const StepSamples& samples : results.steps) {
    if (samples.runs.empty()) continue;
    const Measured& run = samples.runs.front();
    return text + "; a picture of " + std::to_string(run.views) +
           (run.views == 1 ? " view" : " views") + ", a prompt of " +
           std::to_string(run.prompt_tokens) + " tokens, an answer of " +
           std::to_string(run.answer.size());
  }
  return text;
}

std::string LadderText(const LadderResults& results) {
  std::string text = LadderHead(results) + "\n\n";
  text += "- machine: " + LadderMachine(results) + "\n";
  text += "- model: " + Setting(results.settings, "model") + "\n";
  text +=
      "- paper: a Xiaomi 14 Pro (Snapdragon 8 Gen 3), llama.cpp, Q4_K_M; its prompt is not "
      "published\n";
  if (const std::string answers = AnswersText(results); !answers.empty()) {
    text += "- answers: " + answers + "\n";
  }
  return text + "\n" + ValuesTable(results) + "\n" + TimesTable(results) + "\n" +
         StepsText(results) + SinglesText(results);
}

}  // namespace mcv::bench
