#include "apps/cli/exit_codes.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/cli/terminal/shown_text.h"

namespace mcv::cli {
namespace {

bool errors_as_json = false;

// "not found" as programs like it: "not_found".
std::string CodeWord(StatusCode code) {
  if (code == StatusCode::kIo) return "io_error";
  std::string word = StatusCodeName(code);
  std::replace(word.begin(), word.end(), ' ', '_');
  return word;
}

}  // namespace

int ExitCodeFor(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kCorrupt:
    case StatusCode::kUnsupported:
      return kExitBadInput;
    case StatusCode::kResourceExhausted:
    case StatusCode::kContextFull:
      return kExitNoRoom;
    case StatusCode::kCancelled:
      return kExitInterrupted;
    case StatusCode::kIo:
    case StatusCode::kInternal:
      break;
  }
  return kExitFailure;
}

void TellErrorsAsJson(bool as_json) { errors_as_json = as_json; }

int TellError(std::string_view code, std::string_view message, std::string_view text,
              int exit_code) {
  if (!errors_as_json) {
    Print(stderr, "minicpmv: " + std::string(text) + "\n");
    return exit_code;
  }
  const nlohmann::json json = {
      {"error", {{"code", code}, {"message", message}, {"exit_status", exit_code}}}};
  // Names of files may be anything: what is not UTF-8 is replaced.
  PrintJson(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return exit_code;
}

int Fail(const Status& status) {
  return TellError(CodeWord(status.code()), status.message(), status.ToString(),
                   ExitCodeFor(status));
}

int FailUsage(const std::string& message, const std::string& command) {
  const std::string help = "minicpmv " + (command.empty() ? "" : command + " ") + "--help";
  return TellError("usage", message, message + "\nRun " + help + " for more information.",
                   kExitUsage);
}

}  // namespace mcv::cli
