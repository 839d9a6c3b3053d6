// Everything that was measured, as it grows, and as a file that a later run goes on from.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/bench/limit.h"
#include "apps/bench/machine_limits.h"
#include "apps/bench/measured.h"
#include "apps/bench/model_facts.h"
#include "apps/bench/plan.h"
#include "base/status.h"

namespace mcv::bench {

struct JobSamples {
  Job job;
  std::vector<Measured> own;
  std::vector<Measured> peer;
};

struct Results {
  // What must be the same for two runs to belong together: program, model, target, rows, peer...
  std::map<std::string, std::string> settings;
  std::map<std::string, std::string> machine;  // processor, kernel; no names of hosts or people
  std::string date;                            // of the first run, ISO 8601, UTC
  std::string peer_version;                    // empty: no peer
  std::string peer_backend;
  int64_t decode_tokens = 0;
  ModelFacts model;  // not saved
  Limits limits;     // the best of all measurements of the run
  std::vector<JobSamples> jobs;
  std::vector<std::string> notes;  // rows that were left out, and why
  bool has_peer() const { return !peer_version.empty(); }
};

// One line of the table, in RowUnit(row).
struct TableRow {
  Row row;
  std::string title;
  std::vector<double> own, peer;
  std::optional<RowLimit> limit;
  std::optional<double> own_median, peer_median;
  std::optional<double> times;                  // how many times better we are; above 1 is ahead
  std::optional<double> own_share, peer_share;  // of the limit
};

// In the order of the rows.
std::vector<TableRow> Tabulate(const Results& results);

nlohmann::json ToJson(const Results& results);

// Takes the runs and limits of an earlier run's JSON. `results` has its jobs and settings already.
//   Corrupt          no JSON of this command
//   InvalidArgument  it was made with other settings: the message names each
Status TakeEarlierRuns(const std::string& text, Results* results);

// The part of it that both kinds of results need: InvalidArgument names each setting that is not as
// it was saved.
Status CompareSettings(const nlohmann::json& saved,
                       const std::map<std::string, std::string>& settings);

// "AMD EPYC", the kernel's release, processors: what a result must be read with.
std::map<std::string, std::string> DescribeMachine();

// Now, ISO 8601.
std::string UtcNow();

}  // namespace mcv::bench
