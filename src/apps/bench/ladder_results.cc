// The ladder's file: everything that was measured, for the table and for a later run to go on from.
#include "apps/bench/ladder.h"

namespace mcv::bench {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "minicpmv bench ladder 1";

void Put(json* object, const std::string& name, const std::optional<double>& value) {
  if (value) (*object)[name] = *value;
}

json StepJson(const LadderResults& results, size_t index) {
  const StepSamples& samples = results.steps[index];
  json object = {{"step", samples.step.key},
                 {"title", samples.step.title},
                 {"what", samples.step.what},
                 {"options", samples.step.options},
                 {"paper_title", samples.step.paper_title},
                 {"measures", json::object()},
                 {"runs", json::array()}};
  for (const LadderMeasure measure : kLadderMeasures) {
    json& entry = object["measures"][MeasureName(measure)] = json::object();
    Put(&entry, "median", MedianOf(measure, samples));
    Put(&entry, "times", TimesOf(measure, results, index));
    Put(&entry, "paper", samples.step.Paper(measure));
    Put(&entry, "paper_times", PaperTimesOf(measure, results, index));
  }
  for (const Measured& run : samples.runs) object["runs"].push_back(ToJson(run));
  return object;
}

Status TakeStep(const json& saved, StepSamples* samples) {
  if (!saved.is_object() || !saved.value("runs", json()).is_array()) {
    return Corrupt("a step is no object with runs");
  }
  if (saved.value("step", json()) != json(samples->step.key) ||
      saved.value("options", json()) != json(samples->step.options)) {
    return InvalidArgument("--resume: step '" + samples->step.title +
                           "' was measured with other options; give another --output");
  }
  samples->runs.clear();
  for (const json& entry : saved["runs"]) {
    MCV_ASSIGN_OR_RETURN(Measured run, MeasuredFromJson(entry));
    samples->runs.push_back(std::move(run));
  }
  return OkStatus();
}

}  // namespace

json ToJson(const LadderResults& results) {
  json object = {{"format", kFormat},
                 {"date", results.date},
                 {"settings", results.settings},
                 {"machine", results.machine},
                 {"answers", AnswersText(results)},
                 {"steps", json::array()}};
  for (size_t i = 0; i < results.steps.size(); ++i) {
    object["steps"].push_back(StepJson(results, i));
  }
  return object;
}

Status TakeEarlierRuns(const std::string& text, LadderResults* results) {
  const json saved = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!saved.is_object() || saved.value("format", json()) != json(kFormat) ||
      !saved.value("settings", json()).is_object() || !saved.value("steps", json()).is_array() ||
      saved["steps"].size() != results->steps.size()) {
    return Corrupt("this is no results.json of 'minicpmv bench --ladder'");
  }
  MCV_RETURN_IF_ERROR(CompareSettings(saved["settings"], results->settings));
  for (size_t i = 0; i < results->steps.size(); ++i) {
    MCV_RETURN_IF_ERROR(TakeStep(saved["steps"][i], &results->steps[i]));
  }
  if (saved.value("date", json()).is_string()) results->date = saved["date"].get<std::string>();
  return OkStatus();
}

}  // namespace mcv::bench
