// The ladder of the paper's end-side deployment: what each step of optimisation wins. Every step
// keeps what the steps before it have, and is measured in processes of its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/bench/run.h"
#include "apps/bench/side.h"

namespace mcv::bench {

// What a step is measured by. All of it comes from one run: a picture of one view, a question and
// the first tokens of a greedy answer.
enum class LadderMeasure {
  kEncode,      // seconds of a view in the encoder: the paper's "image processing"
  kFirstToken,  // seconds for picture and question, loading apart: its "total encoding"
  kPrefill,     // tokens/s of the prompt
  kDecode,      // tokens/s
  kMemory,      // peak resident bytes
};
inline constexpr LadderMeasure kLadderMeasures[] = {
    LadderMeasure::kEncode, LadderMeasure::kFirstToken, LadderMeasure::kPrefill,
    LadderMeasure::kDecode, LadderMeasure::kMemory};
std::string MeasureName(LadderMeasure measure);  // "encode", "first token", ...
bool MoreIsBetter(LadderMeasure measure);
// Nothing if the run does not tell.
std::optional<double> ValueOf(LadderMeasure measure, const Measured& run);
// "850 ms", "4.29 tokens/s", "6.02 GB".
std::string ValueText(LadderMeasure measure, double value);

struct LadderStep {
  std::string key;                   // "memory": in JSON
  std::string title;                 // "+ memory"
  std::string what;                  // a sentence
  std::vector<std::string> options;  // of our own program
  std::string paper_title;           // "+ memory usage"
  // The paper's figure for this step, on a phone; nothing where it gives none.
  std::optional<double> Paper(LadderMeasure measure) const;
  double paper_encode = 0.0, paper_first_token = 0.0, paper_decode = 0.0;
};

// A thread count that knows nothing of the device.
inline constexpr int kBlindThreads = 4;

// `target`: the kernels of the dispatched steps; `tuning`: a file, "off", or empty for the user's.
std::vector<LadderStep> LadderSteps(const std::string& target, const std::string& tuning);

struct StepSamples {
  LadderStep step;
  std::vector<Measured> runs;
};

struct LadderResults {
  std::map<std::string, std::string> settings;  // what must be the same to go on with a run
  std::map<std::string, std::string> machine;
  std::string date;  // of the first run
  std::vector<StepSamples> steps;
};

// Adds to each step what it lacks for `options.rounds` runs, round by round. `command` is our
// program with the model's options; a step's own are appended. On an error, Cancelled included,
// results hold what was measured until then. options.measure_limits and measure_reads are not used.
Status RunLadder(const RunOptions& options, const Material& material,
                 const std::vector<std::string>& command, const std::vector<std::string>& files,
                 LadderResults* results);

// The middle of a step's runs, and how many times better than the first step's.
std::optional<double> MedianOf(LadderMeasure measure, const StepSamples& samples);
std::optional<double> TimesOf(LadderMeasure measure, const LadderResults& results, size_t step);
// The same of the paper's figures.
std::optional<double> PaperTimesOf(LadderMeasure measure, const LadderResults& results,
                                   size_t step);
// Whether the steps gave the same tokens: "all 5 steps gave the same 8 tokens", or which step left
// the first step's answer where. Empty before two steps have run.
std::string AnswersText(const LadderResults& results);

nlohmann::json ToJson(const LadderResults& results);
// As TakeEarlierRuns of results.h.
Status TakeEarlierRuns(const std::string& text, LadderResults* results);

// Tables for people (Markdown), and the picture (SVG).
std::string LadderText(const LadderResults& results);
std::string LadderSvg(const LadderResults& results);
// "minicpmv 0.1.0, 2026-11-26T...".
std::string LadderHead(const LadderResults& results);
// The processor, and what all steps share.
std::string LadderMachine(const LadderResults& results);

}  // namespace mcv::bench
