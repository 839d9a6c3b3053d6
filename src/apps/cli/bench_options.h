// The options of `minicpmv bench`.
#pragma once

#include <string>
#include <vector>

#include "apps/cli/run_options.h"

namespace CLI {
class App;
}

namespace mcv::cli {

struct BenchOptions {
  RunOptions run;  // model, threads, target, numerics; json, no_progress

  std::vector<std::string> rows;  // empty: all, or the quick ones
  int rounds = 0;                 // 0: 3, or 1 when quick
  int64_t decode_tokens = 0;      // 0: 32, or 8 when quick
  bool quick = false;
  double timeout_seconds = 3600.0;
  bool ladder = false;

  bool with_peer = false;
  std::string peer;  // the words before each llama.cpp command
  std::string peer_path;
  std::vector<std::string> peer_environment;
  std::string peer_backend;
  std::string pictures;  // folder to draw them into

  std::string output;
  bool resume = false;

  // One run in this process, for the parent that measures it; not shown in the help.
  std::string sample, sample_picture, sample_question;
};

// Declares the options on `app`; `options` must outlive the parse.
void AddBenchOptions(CLI::App& app, BenchOptions* options);

}  // namespace mcv::cli
