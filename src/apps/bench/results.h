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
#include "apps/bench/side.h"
#include "base/status.h"

namespace mcv::bench {

struct PeerSamples {
  std::vector<Measured> runs;
  std::string objection;  // why the peer cannot do the job, or ""; not saved
};

struct JobSamples {
  Job job;
  std::vector<Measured> own;
  std::vector<PeerSamples> peers;  // one for each of Results::peers
};

struct Results {
  // What must be the same for two runs to belong together: program, model, target, rows, peer...
  std::map<std::string, std::string> settings;
  std::map<std::string, std::string> machine;  // processor, kernel; no names of hosts or people
  std::string date;                            // of the first run, ISO 8601, UTC
  std::vector<PeerIdentity> peers;             // names differ
  int64_t decode_tokens = 0;
  ModelFacts model;  // not saved
  Limits limits;     // the best of all measurements of the run
  std::vector<JobSamples> jobs;
  std::vector<std::string> notes;  // rows that were left out, and why
};

// What one side has in a line of the table.
struct TableCell {
  std::vector<double> values;
  std::optional<double> median;
  std::optional<double> share;  // of the limit; decode: the median of the runs' shares, see below
};

struct PeerCell : TableCell {
  std::optional<double> times;  // how many times better we are; above 1 is ahead
  std::string left_out;         // why there are no values, or ""
};

// One line of the table, in RowUnit(row).
struct TableRow {
  Row row;
  std::string title;
  std::optional<RowLimit> limit;  // decode: at the median of the read rates beside its runs
  TableCell own;
  std::vector<PeerCell> peers;  // in the order of Results::peers
};

// In the order of the rows. What waits for memory is held against what plain reads got beside each
// run, where that was measured: on a shared machine it moves twofold within an hour, and the best
// rate of an hour is no limit of a run at another time.
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
