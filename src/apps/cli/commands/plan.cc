// minicpmv plan [PICTURE...]: what will be resident when, before anything is loaded.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <utility>

#include "apps/cli/commands.h"
#include "apps/cli/commands/picture_loading.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/home_path.h"
#include "apps/cli/options/run_options.h"
#include "apps/cli/reports/plan_report.h"
#include "apps/cli/terminal/shown_text.h"
#include "formats/image/image.h"

namespace mcv::cli {
namespace {

struct PlanArguments {
  RunOptions run;
  std::vector<std::string> pictures;
  int64_t question_tokens = 64;
};

// Only the pictures' headers are looked at.
Status AddPictures(const PlanArguments& arguments, PlannedRun* run) {
  if (arguments.pictures.empty()) return OkStatus();
  if (!run->model.config.has_vision) {
    return Unsupported("this model sees no pictures: its vision file (mmproj) was not opened");
  }
  run->request.pictures.clear();
  for (const std::string& path : arguments.pictures) {
    MCV_ASSIGN_OR_RETURN(const PictureFile file, PictureFile::Open(ExpandHome(path)));
    MCV_ASSIGN_OR_RETURN(const ImageInfo info, file.Info());
    const PixelSize size = UprightSize(info, arguments.run);
    PictureShape shape = PictureShapeOf(run->model.config, size.width, size.height);
    shape.decoding_bytes = static_cast<int64_t>(MostDecodingBytes(info));
    run->request.pictures.push_back(shape);
  }
  return OkStatus();
}

Result<PlanReport> MakePlanReport(const PlanArguments& arguments) {
  MCV_ASSIGN_OR_RETURN(const EngineOptions options, ChooseModel(arguments.run));
  PlanReport report;
  MCV_ASSIGN_OR_RETURN(report.run, Engine::Plan(options));
  report.notes = report.run.notes;
  report.limit = options.memory_limit_bytes;
  report.machine = ReadMachineMemory();
  if (report.limit > 0) {
    // As the engine does when it opens, where it knows no picture yet.
    FittedRequest fitted = ComeClosestToLimit(report.run.model, report.run.request,
                                              report.run.context_is_free, report.limit);
    report.refusal = fitted.refusal;
    report.run.request = std::move(fitted.request);
    report.notes.insert(report.notes.end(), fitted.notes.begin(), fitted.notes.end());
  }
  MCV_RETURN_IF_ERROR(AddPictures(arguments, &report.run));
  MemoryRequest& request = report.run.request;
  request.question_tokens = arguments.question_tokens;
  request.beams = arguments.run.beams;
  if (arguments.run.max_tokens > 0) request.answer_tokens = arguments.run.max_tokens;
  report.plan = PlanMemory(report.run.model, request);
  report.whole = PlanWholeContext(report.run.model, request);
  if (report.limit > 0 && report.refusal.ok() && report.whole.peak() > report.limit) {
    report.refusal =
        ResourceExhausted("with these pictures and beams up to " + MemoryText(report.whole.peak()) +
                          " would be needed, but the memory limit is " + MemoryText(report.limit));
  }
  return report;
}

// 0 where it fits, 4 where it does not.
int RunPlan(const PlanArguments& arguments) {
  const auto report = MakePlanReport(arguments);
  if (!report.ok()) return Fail(report.status());
  // Names come from files: what is not UTF-8 is replaced.
  if (arguments.run.json) {
    nlohmann::json json = PlanJson(*report);
    if (!report->refusal.ok()) json["refusal"] = report->refusal.message();
    PrintJson(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else {
    Print(stdout, PlanText(*report));
  }
  if (!report->refusal.ok() && !arguments.run.json) {
    Print(stderr, "minicpmv: " + report->refusal.ToString() + "\n");
  }
  return report->fits_limit() && report->fits_machine() ? kExitOk : kExitNoRoom;
}

}  // namespace

void AddPlanCommand(CLI::App& app, CommandChoice* choice) {
  auto arguments = std::make_shared<PlanArguments>();
  CLI::App* command = app.add_subcommand(
      "plan", "Show what memory a model will take, phase by phase, before it is loaded");
  command->add_option("pictures", arguments->pictures,
                      "only their sizes are read (default: one with the most views)");
  AddOpenOptions(*command, &arguments->run);
  const std::string group = "Question";
  command
      ->add_option("--question-tokens", arguments->question_tokens,
                   "tokens of the question's text, the template included")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str()
      ->group(group);
  command
      ->add_option("-n,--max-tokens", arguments->run.max_tokens,
                   "tokens of the answer (default: the version's most)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->group(group);
  command->add_option("--beams", arguments->run.beams, "as in ask")
      ->check(CLI::Range(1, 64))
      ->capture_default_str()
      ->group(group);
  command->add_flag("--json", arguments->run.json, "one JSON object with everything")
      ->group("Output");
  command->callback([=] { choice->run = [=] { return RunPlan(*arguments); }; });
}

}  // namespace mcv::cli
