// Runs the program as a user does and keeps what it said. The including test is built with
// MCV_PROGRAM, the program's path.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace mcv {

struct Finished {
  int exit_code = -1;  // 128 + the signal's number if it was killed, as shells report it
  std::string output;
};

// Tests do not read or write the cache of whoever runs them; those about it name a folder.
inline const bool kNoCache = setenv("MCV_CACHE_DIR", "off", /*overwrite=*/1) == 0;

// A command line for the shell, quoted by the caller; `output` is its standard output.
inline Finished RunShell(const std::string& command) {
  Finished finished;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return finished;
  std::array<char, 4096> buffer;
  for (size_t got; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    finished.output.append(buffer.data(), got);
  }
  const int status = pclose(pipe);
  finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

// `arguments` is quoted by the caller; `input` becomes standard input. The output is standard
// output, then standard error.
inline Finished RunProgram(const std::string& arguments, const std::string& input = "") {
  const std::string feed = input.empty() ? "" : "printf '%s' '" + input + "' | ";
  return RunShell(feed + MCV_PROGRAM + " " + arguments + " 2>&1");
}

}  // namespace mcv
