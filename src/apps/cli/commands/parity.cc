// minicpmv parity DIR: the command by which the truth of every version is judged. Prints one row
// per run, model files and stage; exits 0 only if something was compared and all of it held.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "apps/cli/commands.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/home_path.h"
#include "apps/cli/terminal/shown_text.h"
#include "apps/cli/terminal/terminal.h"
#include "apps/parity/replay.h"

namespace mcv::cli {
namespace {

struct ParityArguments {
  std::string folder;
  std::string numerics = "exact";
  bool json = false;
  parity::ReplayOptions replay;
};

int RunParity(const ParityArguments& arguments) {
  parity::ReplayOptions options = arguments.replay;
  options.machine.numerics = arguments.numerics == "fast" ? Numerics::kFast : Numerics::kExact;
  ProgressLine line(ShowsProgress(/*turned_off=*/false));
  options.on_progress = [&line](const std::string& what, int64_t done, int64_t total) {
    line.Show(what, done, total, 0.0);
  };
  const auto report = parity::ReplayGoldens(ExpandHome(arguments.folder), options);
  line.Wipe();
  if (!report.ok()) return Fail(report.status());
  if (arguments.json) {
    PrintJson(report->Json());
  } else {
    Print(stdout, report->Table());
  }
  return report->ok() ? kExitOk : kExitFailure;
}

}  // namespace

void AddParityCommand(CLI::App& app, CommandChoice* choice) {
  auto arguments = std::make_shared<ParityArguments>();
  CLI::App* command = app.add_subcommand(
      "parity", "Replay a folder of golden values and compare every stage with them");
  command->add_option("folder", arguments->folder, "Folder with models/, images/, expected/")
      ->required();
  command->add_option("--run", arguments->replay.run, "Only this folder of expected/");
  command
      ->add_option("--numerics", arguments->numerics,
                   "exact (fp32, what the tolerances are for) or fast")
      ->check(CLI::IsMember({"exact", "fast"}))
      ->capture_default_str();
  command->add_option("--target", arguments->replay.machine.target,
                      "Kernels by name; the best that run here if not given");
  command->add_option("--threads", arguments->replay.machine.threads, "0: all processors")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", arguments->json, "The report as JSON");
  command->callback(
      [arguments, choice] { choice->run = [arguments] { return RunParity(*arguments); }; });
}

}  // namespace mcv::cli
