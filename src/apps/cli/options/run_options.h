// The options that every command which runs a model shares, declared once: from here come the
// command line, its help and its range checks.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "engine/session.h"

namespace CLI {
class App;
}

namespace mcv::cli {

struct RunOptions {
  EngineOptions engine;
  std::string numerics = "fast";
  std::string encoder_numerics;  // empty: as numerics
  std::string cache_type;        // empty: F32 for exact numerics, else F16
  std::string threads;    // "4", or "4,4,2" for encode, prefill and decode; empty: what tuning says
  std::string tuning;     // a file, "off", or empty: the user's own
  std::string positions;  // empty: what the model's files say
  int max_slices = 0;     // 0: the model's own number
  std::string memory_limit;               // a size (size_option.h); empty: none
  std::string picture_cache;              // a folder, or "off"; empty: the default folder
  std::string picture_cache_size = "1G";  // a size

  bool sample = false;  // the version's published sampling numbers
  // Each overrides the preset when it was given on the command line.
  float temperature = 0.0f;
  int top_k = 0;
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;
  std::string seed;  // a number; "-1" or empty: any
  int beams = 1;
  int64_t max_tokens = 0;
  std::vector<std::string> stop;
  std::string system;
  std::string session;  // a file that the conversation is taken up from and kept in; empty: none

  bool stats = false;
  bool json = false;
  bool no_progress = false;
  bool as_stored = false;  // ignore the pictures' EXIF orientation and alpha
};

// Declares the options on `app`; `options` must outlive the parse. The first only what concerns how
// a model is opened.
void AddOpenOptions(CLI::App& app, RunOptions* options);
void AddRunOptions(CLI::App& app, RunOptions* options);

// What the parsed options mean for the engine and for an answer. InvalidArgument names the option.
Result<EngineOptions> ToEngineOptions(const RunOptions& options);
// Where the answer is sampled and nobody named a seed, the options hold one that is new each time.
AskOptions ToAskOptions(const CLI::App& app, const RunOptions& options, Version version,
                        const std::atomic<bool>* cancel);

// Whether an answer with these options depends on their seed.
bool IsSampled(const SamplingOptions& sampling);
// Said wherever an answer was sampled with a seed that nobody named: how to have it again.
std::string SeedNote(uint64_t seed);
bool NamesSeed(const RunOptions& options);

// What was given on the command line and has no effect beside the rest of it, one sentence each.
std::vector<std::string> IgnoredOptions(const CLI::App& app, const RunOptions& options);

// The same with the model chosen: --model, else $MCV_MODEL, else the one built into the program.
Result<EngineOptions> ChooseModel(const RunOptions& options);
// Takes the conversation up that `options.session` names, if that file is there yet.
Status ResumeSession(const RunOptions& options, Session& session);
// Keeps it there, if a file was named.
Status KeepSession(const RunOptions& options, const Session& session);
// That model, opened.
Result<std::shared_ptr<const Engine>> OpenEngine(const RunOptions& options);

}  // namespace mcv::cli
