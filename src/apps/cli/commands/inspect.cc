#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "apps/cli/commands.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/home_path.h"
#include "apps/cli/reports/model_report.h"
#include "apps/cli/terminal/shown_text.h"

namespace mcv::cli {
namespace {

struct InspectArguments {
  std::string path;
  std::string mmproj;
  ReportOptions show;
  bool json = false;
};

// 0 for a complete model, 3 for anything that cannot be run.
int RunInspect(const InspectArguments& arguments) {
  const auto report = MakeModelReport(ExpandHome(arguments.path), arguments.mmproj);
  if (!report.ok()) return Fail(report.status());
  // Names and templates come from files: what is not UTF-8 is replaced.
  if (arguments.json) {
    PrintJson(ReportJson(*report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
              "\n");
  } else {
    Print(stdout, ReportText(*report, arguments.show));
  }
  return report->ok() ? kExitOk : kExitBadInput;
}

}  // namespace

void AddInspectCommand(CLI::App& app, CommandChoice* choice) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = app.add_subcommand(
      "inspect", "Show what a model's files hold: version, shapes, types, what is missing");
  command->add_option("path", arguments->path, "An HF folder, a .gguf file, or a folder with one")
      ->required();
  command->add_option("--mmproj", arguments->mmproj,
                      "The vision half of a GGUF pair (default: the one beside that belongs)");
  command->add_flag("--keys", arguments->show.keys, "List every metadata key");
  command->add_flag("--tensors", arguments->show.tensors, "List every tensor");
  command->add_flag("--template", arguments->show.chat_template, "Print the chat template");
  command->add_flag("--json", arguments->json, "One JSON object with everything");
  command->callback([=] { choice->run = [=] { return RunInspect(*arguments); }; });
}

}  // namespace mcv::cli
