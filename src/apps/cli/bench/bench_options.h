// The options of `minicpmv bench`.
#pragma once

#include <string>
#include <vector>

#include "apps/cli/options/run_options.h"

namespace CLI {
class App;
}

namespace mcv::cli {

// One --peer, and the options that belong to it.
struct PeerChoice {
  bool chosen = false;  // by a --peer; until then options before the first one wait here
  std::string prefix;   // the words before each llama.cpp command
  std::string name;
  std::string path;
  std::string backend;
  std::vector<std::string> environment;
  std::vector<std::string> words;  // "prefill=-rtr 1"
};

struct BenchOptions {
  RunOptions run;  // model, threads, target, numerics; json, no_progress

  std::vector<std::string> rows;  // empty: all, or the quick ones
  int rounds = 0;                 // 0: 3, or 1 when quick
  int64_t decode_tokens = 0;      // 0: 32, or 8 when quick
  bool quick = false;
  double timeout_seconds = 3600.0;
  bool ladder = false;

  std::vector<PeerChoice> peers;
  std::string pictures;  // folder to draw them into

  std::string output;
  bool resume = false;

  // One run in this process, for the parent that measures it; not shown in the help.
  std::string sample, sample_picture, sample_question;
};

// Declares the options on `app`; `options` must outlive the parse.
void AddBenchOptions(CLI::App& app, BenchOptions* options);

}  // namespace mcv::cli
