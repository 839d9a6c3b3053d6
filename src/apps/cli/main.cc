// The program: one sub-command per file, each declares its options and leaves what to run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "apps/cli/commands.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/command_line.h"

namespace {

using mcv::cli::CommandChoice;

// Every sub-command, in the order that the help lists them.
constexpr void (*kCommands[])(CLI::App&, CommandChoice*) = {
    mcv::cli::AddAskCommand,   mcv::cli::AddChatCommand,   mcv::cli::AddInspectCommand,
    mcv::cli::AddPlanCommand,  mcv::cli::AddTuneCommand,   mcv::cli::AddBenchCommand,
    mcv::cli::AddCacheCommand, mcv::cli::AddParityCommand,
};

int RunProgram(int argc, char** argv) {
  CLI::App app("MiniCPM-V: ask about pictures, offline");
  app.set_version_flag("--version", "minicpmv " MCV_VERSION);
  app.require_subcommand(1);
  app.footer("Exit status: 0 ok, 1 failed, 2 usage, 3 bad input, 4 no room, 130 interrupted.");
  CommandChoice choice;
  for (auto* add : kCommands) add(app, &choice);
  const std::vector<std::string> words(argv + 1, argv + argc);
  mcv::cli::TellErrorsAsJson(mcv::cli::AsksForJson(words));
  const std::string command = mcv::cli::CommandOf(app, words);
  auto arranged = mcv::cli::ArrangeArguments(app, words);
  if (!arranged.ok()) return mcv::cli::FailUsage(arranged.status().message(), command);
  std::reverse(arranged->begin(), arranged->end());  // as the parser takes them
  try {
    app.parse(std::move(arranged).value());
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return mcv::cli::FailUsage(error.what(), command);
    return app.exit(error);  // prints the help or the version
  }
  return choice.run();
}

// An answer that did not arrive is a failure, however well the rest went.
int ExitCodeAfterOutput(int exit_code) {
  std::cout.flush();
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  if (written || exit_code != mcv::cli::kExitOk) return exit_code;
  // The reason of an earlier failure is gone. Ending the line that was cut fails for the same one.
  errno = 0;
  std::fputc('\n', stdout);
  std::fflush(stdout);
  const int error = errno;
  // Not as JSON, whatever was asked for: that would go the same way.
  std::fprintf(stderr, "minicpmv: standard output: cannot write%s%s\n", error != 0 ? ": " : "",
               error != 0 ? std::strerror(error) : "");
  return error == ENOSPC ? mcv::cli::kExitNoRoom : mcv::cli::kExitFailure;
}

}  // namespace

int main(int argc, char** argv) {
  // A limit on the size of files is an error like a full disk, told by who writes, not a death.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return ExitCodeAfterOutput(RunProgram(argc, argv));
  } catch (const std::bad_alloc&) {
    return mcv::cli::TellError("resource_exhausted", "out of memory", "out of memory",
                               mcv::cli::kExitNoRoom);
  } catch (const std::exception& error) {
    return mcv::cli::Fail(mcv::Internal(error.what()));
  }
}
