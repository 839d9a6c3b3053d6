#include "apps/bench/ladder.h"

#include <algorithm>
#include <set>

#include "apps/bench/page_cache.h"
#include "apps/bench/values.h"

namespace mcv::bench {
namespace {

// The row of the other table that is written the same way.
Row RowLike(LadderMeasure measure) {
  switch (measure) {
    case LadderMeasure::kEncode:
      return {RowKind::kEncodeView, 0};
    case LadderMeasure::kFirstToken:
      return {RowKind::kFirstTokenWarm, 0};
    case LadderMeasure::kPrefill:
      return {RowKind::kPrefill, 0};
    case LadderMeasure::kDecode:
      return {RowKind::kDecode, 0};
    case LadderMeasure::kMemory:
      break;
  }
  return {RowKind::kMemory, 0};
}

std::optional<double> Ratio(LadderMeasure measure, std::optional<double> first,
                            std::optional<double> value) {
  if (!first || !value || *first <= 0 || *value <= 0) return std::nullopt;
  return MoreIsBetter(measure) ? *value / *first : *first / *value;
}

// What is left, at the pace of the same step's last run, or else of all runs' average.
Progress ProgressOf(const LadderResults& results, int rounds, std::string doing) {
  Progress progress;
  progress.doing = std::move(doing);
  double spent = 0.0;
  int64_t unknown = 0;
  for (const StepSamples& samples : results.steps) {
    const auto done = static_cast<int64_t>(samples.runs.size());
    const int64_t left = std::max<int64_t>(rounds - done, 0);
    for (const Measured& run : samples.runs) spent += run.wall_seconds;
    progress.done += done;
    progress.total += done + left;
    if (done > 0) {
      progress.seconds_left += static_cast<double>(left) * samples.runs.back().wall_seconds;
    } else {
      unknown += left;
    }
  }
  if (progress.done > 0) {
    progress.seconds_left +=
        static_cast<double>(unknown) * spent / static_cast<double>(progress.done);
  }
  return progress;
}

}  // namespace

std::string MeasureName(LadderMeasure measure) {
  switch (measure) {
    case LadderMeasure::kEncode:
      return "encode";
    case LadderMeasure::kFirstToken:
      return "first token";
    case LadderMeasure::kPrefill:
      return "prefill";
    case LadderMeasure::kDecode:
      return "decode";
    case LadderMeasure::kMemory:
      break;
  }
  return "memory";
}

bool MoreIsBetter(LadderMeasure measure) { return LargerIsBetter(RowLike(measure)); }

std::optional<double> ValueOf(LadderMeasure measure, const Measured& run) {
  switch (measure) {
    case LadderMeasure::kEncode:
      return ValueOf(RowLike(measure), run);
    case LadderMeasure::kFirstToken:
      if (!run.encode_seconds || !run.prefill_seconds) return std::nullopt;
      return *run.encode_seconds + *run.prefill_seconds;
    case LadderMeasure::kPrefill:
      if (!run.prefill_seconds || *run.prefill_seconds <= 0) return std::nullopt;
      return static_cast<double>(run.prompt_tokens) / *run.prefill_seconds;
    case LadderMeasure::kDecode:
      return run.decode_rate;
    case LadderMeasure::kMemory:
      break;
  }
  return static_cast<double>(run.peak_resident_bytes);
}

std::string ValueText(LadderMeasure measure, double value) {
  return ValueText(RowLike(measure), value);
}

std::optional<double> LadderStep::Paper(LadderMeasure measure) const {
  if (measure == LadderMeasure::kEncode) return paper_encode;
  if (measure == LadderMeasure::kFirstToken) return paper_first_token;
  if (measure == LadderMeasure::kDecode) return paper_decode;
  return std::nullopt;
}

// The paper's figures: Q4_K_M in llama.cpp on a Xiaomi 14 Pro (Snapdragon 8 Gen 3), its last step
// with the encoder on the phone's NPU. The length of its prompt is not published.
std::vector<LadderStep> LadderSteps(const std::string& target, const std::string& tuning) {
  const std::string blind = std::to_string(kBlindThreads);
  const std::vector<std::string> fixed = {"--threads", blind, "--tuning", "off"};
  const std::vector<std::string> tuned = {"--tuning", tuning};
  const std::vector<std::string> exact = {"--encoder-numerics", "exact"};
  const auto join = [](std::vector<std::string> words,
                       std::initializer_list<std::vector<std::string>> more) {
    for (const auto& list : more) words.insert(words.end(), list.begin(), list.end());
    return words;
  };
  const std::vector<std::string> chosen = tuning.empty() ? std::vector<std::string>() : tuned;
  return {
      {"none", "none",
       "both files read into memory and kept, kernels without any instruction set's code, " +
           blind + " threads on any machine",
       join({"--no-mmap", "--target", "portable"}, {fixed, exact}), "none", 45.2, 64.2, 1.3},
      {"memory", "+ memory",
       "files mapped; the encoder's pages given back before the language model's are touched",
       join({"--target", "portable"}, {fixed, exact}), "+ memory usage", 31.5, 50.5, 1.3},
      {"compilation", "+ compilation",
       "kernels for this processor (" + target + "), the encoder still in plain fp32",
       join({"--target", target}, {fixed, exact}), "+ compilation", 5.1, 17.0, 3.2},
      {"configuration", "+ configuration",
       "threads, places and pieces for each stage as minicpmv tune chose them, or the default "
       "for this machine",
       join({"--target", target}, {chosen, exact}), "+ configuration", 3.7, 12.9, 8.2},
      {"encoder", "+ encoder", "the encoder on its fast path: products of bf16 or of whole numbers",
       join({"--target", target}, {chosen}), "+ NPU", 1.3, 10.7, 8.2}};
}

Status RunLadder(const RunOptions& options, const Material& material,
                 const std::vector<std::string>& command, const std::vector<std::string>& files,
                 LadderResults* results) {
  const Job job{JobKind::kAnswer, 0, {}};
  for (int round = 0; round < options.rounds; ++round) {
    for (StepSamples& samples : results->steps) {
      if (samples.runs.size() > static_cast<size_t>(round)) continue;
      if (material.cancel != nullptr && material.cancel->load(std::memory_order_relaxed)) {
        return Cancelled("stopped");
      }
      if (options.on_progress) {
        options.on_progress(ProgressOf(*results, options.rounds,
                                       "round " + std::to_string(round + 1) + " of " +
                                           std::to_string(options.rounds) + ": " +
                                           samples.step.title));
      }
      MCV_RETURN_IF_ERROR(ReadIntoCache(files));
      std::vector<std::string> words = command;
      words.insert(words.end(), samples.step.options.begin(), samples.step.options.end());
      MCV_ASSIGN_OR_RETURN(Measured run, MakeOwnSide(std::move(words))->Run(job, material));
      samples.runs.push_back(std::move(run));
      if (options.on_result) MCV_RETURN_IF_ERROR(options.on_result());
    }
  }
  return OkStatus();
}

std::optional<double> MedianOf(LadderMeasure measure, const StepSamples& samples) {
  std::vector<double> values;
  for (const Measured& run : samples.runs) {
    if (const auto value = ValueOf(measure, run)) values.push_back(*value);
  }
  return values.empty() ? std::nullopt : std::optional(Median(std::move(values)));
}

std::optional<double> TimesOf(LadderMeasure measure, const LadderResults& results, size_t step) {
  return Ratio(measure, MedianOf(measure, results.steps.front()),
               MedianOf(measure, results.steps[step]));
}

std::optional<double> PaperTimesOf(LadderMeasure measure, const LadderResults& results,
                                   size_t step) {
  return Ratio(measure, results.steps.front().step.Paper(measure),
               results.steps[step].step.Paper(measure));
}

std::string AnswersText(const LadderResults& results) {
  const std::vector<int32_t>* first = nullptr;
  size_t steps = 0;
  std::string text;
  for (const StepSamples& samples : results.steps) {
    steps += samples.runs.empty() ? 0 : 1;
    for (const Measured& run : samples.runs) {
      if (first == nullptr) first = &run.answer;
      if (run.answer == *first) continue;
      const auto differ =
          std::mismatch(first->begin(), first->end(), run.answer.begin(), run.answer.end());
      text += (text.empty() ? "" : ", ") + ("'" + samples.step.title + "' from token ") +
              std::to_string(differ.first - first->begin() + 1) + " on";
      break;
    }
  }
  if (steps < 2) return "";
  const std::string count = std::to_string(first->size());
  if (text.empty()) {
    return "all " + std::to_string(steps) + " steps gave the same " + count + " tokens";
  }
  return "not the same answer (" + count + " tokens) as the first step gave: " + text;
}

}  // namespace mcv::bench
