#include "apps/parity/replay.h"

#include <algorithm>

#include "apps/parity/goldens.h"
#include "apps/parity/replay_picture.h"
#include "apps/parity/replay_tables.h"
#include "apps/parity/replay_text.h"

namespace mcv::parity {

namespace {

Status ReplayStages(const Replay& replay) {
  if (!replay.c->is_picture()) {
    MCV_ASSIGN_OR_RETURN(const PromptIds prompt, ReplayPrompt(replay, nullptr));
    return ReplayLanguage(replay, prompt);
  }
  MCV_ASSIGN_OR_RETURN(const PictureRows picture, ReplayPicture(replay));
  MCV_ASSIGN_OR_RETURN(const PromptIds prompt, ReplayPrompt(replay, &picture));
  return ReplayLanguage(replay, prompt);
}

// Why these files cannot show pictures as the run means it, or empty. A GGUF of the language model
// alone, and a pair that does not say that it is 1.0 and so counts as 2.0, still replay text.
std::string WhyBlind(const Run& run, const ModelUnderTest& model) {
  if (!model.config().has_vision) return "has no vision file";
  if (run.hf_version && model.config().version != *run.hf_version) {
    return "says that it is version " + std::string(model.config().row().short_name) +
           ", the HF folder " + std::string(Row(*run.hf_version).short_name);
  }
  return "";
}

// What a full case has and this one has not: told, because it was not judged.
void NoteAbsentStages(const Run& run, const Case& c, Report* report) {
  static constexpr const char* kPictureStages[] = {"slices",         "position_ids",
                                                   "prompt",         "ids_runs",
                                                   "image_spans",    "patch0_of_overview",
                                                   "vit_embedding",  "vit",
                                                   "resampler",      "llm_last_position_states",
                                                   "prefill_logits", "tokens"};
  static constexpr const char* kTextStages[] = {"prompt", "ids", "prefill_logits", "tokens"};
  std::string absent;
  const auto look = [&](const char* key) {
    if (c.json.contains(key)) return;
    absent += (absent.empty() ? "" : ", ") + std::string(key);
  };
  if (c.is_picture()) {
    for (const char* key : kPictureStages) look(key);
  } else {
    for (const char* key : kTextStages) look(key);
  }
  if (absent.empty()) return;
  report->Note(run.name + (c.is_picture() ? ", pictures" : ", text") + ": no expected " + absent);
}

void ReplayCase(const Goldens& goldens, const Run& run, const Source& source, const Case& c,
                Machine* machine, std::unique_ptr<ModelUnderTest>* model, Report* report) {
  Replay replay;
  replay.goldens = &goldens;
  replay.c = &c;
  replay.machine = machine;
  replay.report = report;
  replay.base.run = run.name;
  replay.base.source = source.label;
  replay.base.where = c.name;
  if (*model == nullptr || !(*model)->Fits(source, c)) {
    auto opened = ModelUnderTest::Open(source, c);
    if (!opened.ok()) return replay.Broken(opened.status().message());
    *model = *std::move(opened);
  }
  replay.model = model->get();
  const std::string why_blind = c.is_picture() ? WhyBlind(run, **model) : "";
  if (!why_blind.empty()) {
    report->Note(run.name + ": " + source.label + " " + why_blind + ": pictures not replayed");
    return;
  }
  NoteAbsentStages(run, c, report);
  // The JSON library throws on a field of another kind: such a case is broken, the rest goes on.
  try {
    const Status status = ReplayStages(replay);
    if (!status.ok()) replay.Broken(status.message());
  } catch (const nlohmann::json::exception& error) {
    replay.Broken(std::string("unexpected contents: ") + error.what());
  }
}

void ReplayTables(const Goldens& goldens, Machine* machine, Report* report) {
  ReplaySlicingCases(goldens, report);
  ReplayPositionBuckets(goldens, report);
  ReplayTokenizers(goldens, report);
  ReplayDecodedPictures(goldens, machine, report);
  NotePeers(goldens, report);
}

}  // namespace

Result<Report> ReplayGoldens(const std::string& folder, const ReplayOptions& options) {
  MCV_ASSIGN_OR_RETURN(const Goldens goldens, Goldens::Open(folder));
  MCV_ASSIGN_OR_RETURN(const std::unique_ptr<Machine> machine, Machine::Create(options.machine));
  const auto wanted = [&](const std::string& run) {
    return options.run.empty() || options.run == run;
  };
  int64_t done = 0;
  int64_t total = options.run.empty() ? 1 : 0;
  for (const Run& run : goldens.runs()) {
    if (wanted(run.name)) total += static_cast<int64_t>(run.sources.size() * run.cases.size());
  }
  const auto tell = [&](const std::string& what) {
    if (options.on_progress) options.on_progress(what, done, total);
    ++done;
  };

  Report report;
  bool found = options.run.empty();
  for (const auto& [run, problem] : goldens.problems()) {
    if (!wanted(run)) continue;
    found = true;
    report.Broken(run, "", problem);
  }
  for (const Run& run : goldens.runs()) {
    if (!wanted(run.name)) continue;
    found = true;
    const int64_t checks_before = report.checks();
    const int64_t failures_before = report.failures();
    for (const Source& source : run.sources) {
      std::unique_ptr<ModelUnderTest> model;
      for (const Case& c : run.cases) {
        tell(run.name + " " + source.label + " " + c.name);
        ReplayCase(goldens, run, source, c, machine.get(), &model, &report);
      }
    }
    try {
      ReplayTensors(run, &report);
    } catch (const nlohmann::json::exception& error) {
      report.Broken(run.name, "", run.tensors_json + ": " + error.what());
    }
    if (report.checks() == checks_before && report.failures() == failures_before) {
      report.Broken(run.name, "", "nothing of this run could be replayed");
    }
  }
  if (!found) return NotFound(folder + "/expected has no run '" + options.run + "'");
  if (options.run.empty()) {
    tell("tables");
    try {
      ReplayTables(goldens, machine.get(), &report);
    } catch (const nlohmann::json::exception& error) {
      report.Broken("tables", "", std::string("unexpected contents: ") + error.what());
    }
  }
  return report;
}

}  // namespace mcv::parity
