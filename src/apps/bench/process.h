// Runs another program and measures it: no shell, output kept, time and memory from the system.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace mcv::bench {

struct ProcessOptions {
  std::vector<std::string> arguments;    // the program first, looked up in $PATH
  std::vector<std::string> environment;  // NAME=VALUE, added to this process's own
  // Files that the program shall not see: /dev/null lies over them in a mount namespace of its own.
  // Needs the right to make one (root, or user namespaces).
  std::vector<std::string> hidden_files;
  double timeout_seconds = 3600.0;
  const std::atomic<bool>* cancel = nullptr;  // looked at ten times a second
};

struct ProcessResult {
  int exit_code = 0;  // 128 + the signal's number if it was killed, as shells report it
  std::string output;
  std::string errors;
  double wall_seconds = 0.0;  // from before it was started until it had ended
  // The most that one process of it held: the program's, or that of a descendant it waited for.
  uint64_t peak_resident_bytes = 0;
};

// Standard input is empty. The program gets a process group of its own and is killed with it on a
// timeout, on `cancel`, and when this process dies. Of each output at most 16 MB are kept.
//   NotFound    the program is not there or cannot be run
//   Cancelled   `cancel` was set
//   IoError     timeout (the message ends with what the program said last), or the system refused
// A non-zero exit status is not an error here.
Result<ProcessResult> RunProcess(const ProcessOptions& options);

// The words as a person would type them, quoted where needed: for messages.
std::string CommandText(const std::vector<std::string>& arguments);

// A command line split at blanks, with '...' and "..." kept together. InvalidArgument for a quote
// that does not end.
Result<std::vector<std::string>> SplitCommand(const std::string& text);

// The last lines of a text, at most `bytes`.
std::string Tail(const std::string& text, size_t bytes = 1500);

}  // namespace mcv::bench
