// minicpmv tune: measures which threads, places and pieces are fastest here, and remembers them.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/run_options.h"
#include "apps/cli/terminal/shown_text.h"
#include "apps/cli/terminal/terminal.h"
#include "engine/threads/tuner.h"
#include "engine/threads/tuning_file.h"

namespace mcv::cli {
namespace {

struct TuneArguments {
  RunOptions run;
  double budget = 25.0;
  bool dry_run = false;
};

std::string CandidateText(const TunedCandidate& candidate) {
  std::string text = Describe(candidate.settings);
  if (candidate.batch_tokens > 0 && candidate.batch_tokens != kDefaultBatchTokens) {
    text += ", " + std::to_string(candidate.batch_tokens) + " tokens at a time";
  }
  return text;
}

std::string StageText(const StageTuning& stage) {
  std::string text = std::string(StageName(stage.stage)) + " (" + stage.work + ")\n";
  for (size_t i = 0; i < stage.candidates.size(); ++i) {
    const TunedCandidate& c = stage.candidates[i];
    char line[256];
    std::snprintf(line, sizeof line, "  %-52s %10.3f ms  %5.2f x  %d rounds%s%s\n",
                  CandidateText(c).c_str(), 1e3 * c.seconds,
                  stage.candidates[0].seconds / c.seconds, c.rounds, i == 0 ? "  default" : "",
                  i == stage.chosen ? "  chosen" : "");
    text += line;
  }
  char verdict[128];
  if (stage.chosen == 0) {
    std::snprintf(verdict, sizeof verdict,
                  "  the default is best: nothing was faster by more than %.0f %%\n",
                  1e2 * stage.noise);
  } else {
    std::snprintf(verdict, sizeof verdict, "  %.2f times as fast as the default\n", stage.gain());
  }
  return text + verdict;
}

nlohmann::json CandidateJson(const TunedCandidate& candidate) {
  nlohmann::json json = {{"threads", candidate.settings.threads},
                         {"placement", PlacementName(candidate.settings.placement)},
                         {"rows", candidate.settings.blocking.rows},
                         {"tokens", candidate.settings.blocking.tokens},
                         {"seconds", candidate.seconds},
                         {"rounds", candidate.rounds}};
  if (candidate.batch_tokens > 0) json["batch_tokens"] = candidate.batch_tokens;
  return json;
}

nlohmann::json ResultJson(const TuneResult& result, const TuningEntry& entry,
                          const std::string& file) {
  nlohmann::json json = {{"machine", entry.machine},
                         {"model", entry.model},
                         {"seconds", result.seconds},
                         {"file", file.empty() ? nlohmann::json() : nlohmann::json(file)},
                         {"stages", nlohmann::json::array()}};
  for (const StageTuning& stage : result.stages) {
    nlohmann::json candidates = nlohmann::json::array();
    for (const TunedCandidate& c : stage.candidates) candidates.push_back(CandidateJson(c));
    json["stages"].push_back({{"stage", StageName(stage.stage)},
                              {"work", stage.work},
                              {"candidates", candidates},
                              {"chosen", stage.chosen},
                              {"noise", stage.noise},
                              {"gain", stage.gain()}});
  }
  return json;
}

// A file that cannot be used is replaced; one of other machines and models is added to.
Status Remember(const TuningEntry& entry, const std::string& path) {
  const auto known = TuningFile::Read(path);
  TuningFile file = known.ok() ? *known : TuningFile();
  file.Put(entry);
  return file.Write(path);
}

Result<TuneResult> Measure(const Engine& engine, const TuneArguments& arguments) {
  ProgressLine line(ShowsProgress(arguments.run.no_progress));
  TunerOptions options;
  options.budget_seconds = arguments.budget;
  options.cancel = &Interrupted();
  options.on_progress = [&](const TunerProgress& p) {
    line.Show("measuring " + std::string(StageName(p.stage)),
              static_cast<int64_t>(10 * p.seconds_spent),
              static_cast<int64_t>(10 * (p.seconds_spent + p.seconds_left)), p.seconds_left);
  };
  return Tune(engine, options);
}

Status TuneModel(const TuneArguments& arguments) {
  MCV_ASSIGN_OR_RETURN(EngineOptions options, ChooseModel(arguments.run));
  const std::string path = arguments.dry_run ? "" : options.tuning;
  if (path.empty() && !arguments.dry_run) {
    return InvalidArgument(
        "there is no file to remember the result in: give --tuning FILE, or --dry-run");
  }
  options.tuning.clear();  // compared with the default
  MCV_ASSIGN_OR_RETURN(const std::shared_ptr<const Engine> engine, Engine::Open(options));
  PrintNotes(engine->notes(), "model");
  MCV_ASSIGN_OR_RETURN(const TuneResult result, Measure(*engine, arguments));
  const TuningEntry entry = {
      MachineKey(ReadCpuTopology(), engine->target_name(), engine->options().numerics),
      ModelKey(engine->files()), result.settings};
  if (arguments.run.json) {
    PrintJson(ResultJson(result, entry, path)
                  .dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
              "\n");
  } else {
    std::string text = "machine  " + entry.machine + "\nmodel    " + entry.model + "\n";
    for (const StageTuning& stage : result.stages) text += StageText(stage);
    Print(stdout, text);
  }
  if (path.empty()) return OkStatus();
  MCV_RETURN_IF_ERROR(Remember(entry, path));
  Print(stderr, "remembered in " + ShownName(path) + "\n");
  return OkStatus();
}

int RunTune(const TuneArguments& arguments) {
  Interrupted();  // installs the handler before the long work
  const Status status = TuneModel(arguments);
  if (status.ok()) return kExitOk;
  return Fail(status);
}

}  // namespace

void AddTuneCommand(CLI::App& app, CommandChoice* choice) {
  auto arguments = std::make_shared<TuneArguments>();
  CLI::App* command = app.add_subcommand(
      "tune", "Measure which threads and pieces are fastest here, and remember them");
  AddOpenOptions(*command, &arguments->run);
  command->add_option("--budget", arguments->budget, "seconds that measuring takes, about")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str()
      ->group("Measuring");
  command->add_flag("--dry-run", arguments->dry_run, "show only, remember nothing")
      ->group("Measuring");
  command->add_flag("--json", arguments->run.json, "one JSON object with everything")
      ->group("Output");
  command->add_flag("--no-progress", arguments->run.no_progress, "no progress line on the terminal")
      ->group("Output");
  command->callback([=] { choice->run = [=] { return RunTune(*arguments); }; });
}

}  // namespace mcv::cli
