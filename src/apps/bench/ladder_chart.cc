// The ladder as a picture: a panel for each measure, the steps from top to bottom, our bar above
// the paper's.
#include <algorithm>

#include "apps/bench/ladder.h"
#include "apps/bench/svg.h"
#include "apps/bench/values.h"

namespace mcv::bench {
namespace {

using svg::Box;
using svg::kCharactersPerLine;
using svg::kLineHeight;
using svg::kMargin;
using svg::kWidth;
using svg::Text;

// All in the picture's own units.
constexpr double kBarsLeft = 190, kBarsWidth = 470;
constexpr double kValuesLeft = 676, kTimesRight = kWidth - kMargin;
constexpr double kBarHeight = 13, kBarGap = 2, kStepGap = 9, kPanelGap = 22;

const char* TitleOf(LadderMeasure measure) {
  switch (measure) {
    case LadderMeasure::kEncode:
      return "encode one view (the paper: image processing); shorter is better";
    case LadderMeasure::kFirstToken:
      return "first token: encoder and prompt (the paper: total encoding); shorter is better";
    case LadderMeasure::kPrefill:
      return "prefill of the prompt; longer is better";
    case LadderMeasure::kDecode:
      return "decode; longer is better";
    case LadderMeasure::kMemory:
      break;
  }
  return "peak resident memory; shorter is better";
}

class LadderChart {
 public:
  explicit LadderChart(const LadderResults& results) : results_(results) {}

  std::string Draw() {
    DrawHead();
    for (const LadderMeasure measure : kLadderMeasures) DrawPanel(measure);
    DrawFoot();
    return svg::Page(kWidth, y_, LadderHead(results_), body_);
  }

 private:
  void Lines(const std::string& text) {
    for (const std::string& part : svg::Wrapped(text, kCharactersPerLine)) {
      y_ += kLineHeight;
      body_ += Text(kMargin, y_, "small", part);
    }
  }

  void DrawHead() {
    y_ = kMargin + 14;
    body_ += Text(kMargin, y_, "title", "What each step wins, beside the paper's ladder");
    y_ += 6;
    Lines(LadderHead(results_));
    Lines(LadderMachine(results_));
    y_ += 24;
    body_ += Box(kBarsLeft, y_ - 11, 13, 13, "own") + Text(kBarsLeft + 19, y_, "", "minicpmv here");
    body_ += Box(kBarsLeft + 140, y_ - 11, 13, 13, "peer");
    body_ += Text(kBarsLeft + 159, y_, "", "the paper, on a Xiaomi 14 Pro (llama.cpp, Q4_K_M)");
    body_ += Text(kTimesRight, y_, "small", "value (times better than none)", "end");
  }

  // The longest bar of a panel, ours and the paper's on one scale.
  double MostOf(LadderMeasure measure) const {
    double most = 0.0;
    for (const StepSamples& samples : results_.steps) {
      most = std::max(most, MedianOf(measure, samples).value_or(0.0));
      most = std::max(most, samples.step.Paper(measure).value_or(0.0));
    }
    return most;
  }

  void DrawPanel(LadderMeasure measure) {
    y_ += kPanelGap + 8;
    body_ += Text(kMargin, y_, "bold", TitleOf(measure));
    y_ += 8;
    const double most = MostOf(measure);
    for (size_t i = 0; i < results_.steps.size(); ++i) {
      const StepSamples& samples = results_.steps[i];
      const auto paper = samples.step.Paper(measure);
      body_ += Text(kMargin, y_ + 11, "", samples.step.title);
      if (paper && samples.step.paper_title != samples.step.title) {
        body_ += Text(kMargin, y_ + 26, "small", "paper: " + samples.step.paper_title);
      }
      DrawBar("own", measure, most, MedianOf(measure, samples), TimesOf(measure, results_, i));
      if (paper) DrawBar("peer", measure, most, paper, PaperTimesOf(measure, results_, i));
      y_ += kStepGap;
    }
  }

  void DrawBar(const char* style, LadderMeasure measure, double most,
               const std::optional<double>& value, const std::optional<double>& times) {
    body_ += Box(kBarsLeft, y_, kBarsWidth, kBarHeight, "track");
    if (value && most > 0) {
      body_ += Box(kBarsLeft, y_, kBarsWidth * *value / most, kBarHeight, style);
    }
    std::string label = value ? ValueText(measure, *value) : "-";
    if (times) label += " (" + TimesText(*times) + ")";
    body_ += Text(kValuesLeft, y_ + 11, "", label);
    y_ += kBarHeight + kBarGap;
  }

  void DrawFoot() {
    y_ += kPanelGap - kLineHeight;
    for (const StepSamples& samples : results_.steps) {
      Lines(samples.step.title + ": " + samples.step.what);
    }
    if (const std::string answers = AnswersText(results_); !answers.empty()) Lines(answers);
    y_ += kMargin;
  }

  const LadderResults& results_;
  std::string body_;
  double y_ = 0.0;
};

}  // namespace

std::string LadderSvg(const LadderResults& results) { return LadderChart(results).Draw(); }

}  // namespace mcv::bench
