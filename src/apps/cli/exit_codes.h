// What the program's exit status says; scripts rely on these numbers (docs/cli.md lists them). And
// the one place that tells an error.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace mcv::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;        // the run failed, or a comparison did not hold
inline constexpr int kExitUsage = 2;          // the command line makes no sense
inline constexpr int kExitBadInput = 3;       // a model, picture or prompt is missing or unusable
inline constexpr int kExitNoRoom = 4;         // memory, disk or context does not suffice
inline constexpr int kExitInterrupted = 130;  // Ctrl-C or SIGTERM

int ExitCodeFor(const Status& status);

// From now on errors are an object on standard output: {"error":{"code":...,"message":...,
// "exit_status":...}}, for programs that asked for JSON. Otherwise a line on standard error.
void TellErrorsAsJson(bool as_json);

// Tells what went wrong. `code` is a word for programs: "not_found", "usage", ...; people read
// `text`, programs `message`. Returns `exit_code`.
int TellError(std::string_view code, std::string_view message, std::string_view text,
              int exit_code);

// Tells why; returns the exit code.
int Fail(const Status& status);
// Tells what is wrong with the command line and where help is; `command` may be empty.
int FailUsage(const std::string& message, const std::string& command);

}  // namespace mcv::cli
