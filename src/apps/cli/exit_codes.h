// What the program's exit status says; scripts rely on these numbers (docs/cli.md lists them).
#pragma once

#include <cstdio>

#include "base/status.h"

namespace mcv::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;        // the run failed, or a comparison did not hold
inline constexpr int kExitUsage = 2;          // the command line makes no sense
inline constexpr int kExitBadInput = 3;       // a model, picture or prompt is missing or unusable
inline constexpr int kExitNoRoom = 4;         // memory, disk or context does not suffice
inline constexpr int kExitInterrupted = 130;  // Ctrl-C, as shells report it

inline int ExitCodeFor(const Status& status) {
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

// Tells why on standard error; returns the exit code.
inline int Fail(const Status& status) {
  std::fprintf(stderr, "minicpmv: %s\n", status.ToString().c_str());
  return ExitCodeFor(status);
}

}  // namespace mcv::cli
