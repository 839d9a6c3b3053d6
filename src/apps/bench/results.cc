#include "apps/bench/results.h"

#include <sys/utsname.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "apps/bench/values.h"
#include "base/thread_pool.h"

namespace mcv::bench {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "minicpmv bench 2";

int64_t PromptTokens(const Results& results) {
  for (const JobSamples& samples : results.jobs) {
    if (samples.job.kind != JobKind::kPicture) continue;
    if (!samples.own.empty()) return samples.own.back().prompt_tokens;
  }
  return 0;
}

std::vector<double> ValuesOf(const Row& row, const std::vector<Measured>& runs) {
  std::vector<double> values;
  for (const Measured& run : runs) {
    if (const auto value = ValueOf(row, run)) values.push_back(*value);
  }
  return values;
}

// With the best of the whole run, but reads as they were beside a run where that is known.
std::optional<RowLimit> LimitWith(const std::optional<double>& read_rate, const Row& row,
                                  const Results& results) {
  Limits limits = results.limits;
  limits.read_bytes = read_rate.value_or(limits.read_bytes);
  return LimitOf(row, results.model, limits, PromptTokens(results), results.decode_tokens);
}

// Each run's share of its own limit.
std::vector<double> SharesBeside(const Row& row, const std::vector<Measured>& runs,
                                 const Results& results) {
  std::vector<double> shares;
  for (const Measured& run : runs) {
    const auto value = ValueOf(row, run);
    if (!value || !run.read_rate) continue;
    if (const auto limit = LimitWith(run.read_rate, row, results)) {
      shares.push_back(ShareOfLimit(row, *value, *limit));
    }
  }
  return shares;
}

// The median over the job's runs of all sides.
std::optional<double> ReadRateBeside(const JobSamples& samples) {
  std::vector<double> rates;
  const auto look = [&](const std::vector<Measured>& runs) {
    for (const Measured& run : runs) {
      if (run.read_rate) rates.push_back(*run.read_rate);
    }
  };
  look(samples.own);
  for (const PeerSamples& peer : samples.peers) look(peer.runs);
  if (rates.empty()) return std::nullopt;
  return Median(rates);
}

void FillCell(const TableRow& line, const std::vector<Measured>& runs, const Results& results,
              TableCell* cell) {
  cell->values = ValuesOf(line.row, runs);
  if (cell->values.empty()) return;
  cell->median = Median(cell->values);
  if (!line.limit) return;
  const std::vector<double> shares = SharesBeside(line.row, runs, results);
  cell->share =
      shares.empty() ? ShareOfLimit(line.row, *cell->median, *line.limit) : Median(shares);
}

PeerCell MakePeerCell(const TableRow& line, const PeerSamples& samples, const Results& results) {
  PeerCell cell;
  FillCell(line, samples.runs, results, &cell);
  if (!cell.median) {
    cell.left_out = samples.runs.empty() ? samples.objection : "its programs do not print it";
  }
  const double own = line.own.median.value_or(0.0), peer = cell.median.value_or(0.0);
  if (own > 0 && peer > 0) cell.times = LargerIsBetter(line.row) ? own / peer : peer / own;
  return cell;
}

TableRow MakeRow(const Row& row, const JobSamples& samples, const Results& results) {
  TableRow line;
  line.row = row;
  line.title = RowTitle(row, results.model.config);
  line.limit = LimitWith(ReadRateBeside(samples), row, results);
  FillCell(line, samples.own, results, &line.own);
  for (const PeerSamples& samples_of_peer : samples.peers) {
    line.peers.push_back(MakePeerCell(line, samples_of_peer, results));
  }
  return line;
}

json RunsJson(const std::vector<Measured>& runs) {
  json list = json::array();
  for (const Measured& run : runs) list.push_back(ToJson(run));
  return list;
}

json CellJson(const TableCell& cell) {
  json object = {{"values", cell.values}};
  if (cell.median) object["median"] = *cell.median;
  if (cell.share) object["share_of_limit"] = *cell.share;
  return object;
}

json RowJson(const TableRow& line, const Results& results) {
  json object = {{"row", RowKey(line.row)},
                 {"title", line.title},
                 {"unit", RowUnit(line.row)},
                 {"minicpmv", CellJson(line.own)},
                 {"peers", json::object()}};
  for (size_t i = 0; i < line.peers.size(); ++i) {
    const PeerCell& cell = line.peers[i];
    json entry = CellJson(cell);
    if (cell.times) entry["times"] = *cell.times;
    if (!cell.left_out.empty()) entry["left_out"] = cell.left_out;
    object["peers"][results.peers[i].name] = std::move(entry);
  }
  if (line.limit) {
    object["limit"] = line.limit->value;
    object["limit_is"] = line.limit->basis;
  }
  return object;
}

json PeersJson(const Results& results) {
  json list = json::array();
  for (const PeerIdentity& peer : results.peers) {
    list.push_back({{"name", peer.name},
                    {"version", peer.version},
                    {"backend", peer.backend},
                    {"options", peer.words}});
  }
  return list;
}

json SamplesJson(const JobSamples& samples, const Results& results) {
  json object = {{"minicpmv", RunsJson(samples.own)}, {"peers", json::object()}};
  for (size_t i = 0; i < samples.peers.size(); ++i) {
    object["peers"][results.peers[i].name] = RunsJson(samples.peers[i].runs);
  }
  return object;
}

json LimitsJson(const Limits& limits) {
  return {{"read_bytes_per_second", limits.read_bytes},
          {"fp32_operations_per_second", limits.fp32_ops},
          {"bf16_operations_per_second", limits.bf16_ops},
          {"int8_operations_per_second", limits.int8_ops},
          {"int16_operations_per_second", limits.int16_ops}};
}

Status TakeRuns(const json& list, std::vector<Measured>* runs) {
  if (!list.is_array()) return Corrupt("samples are no list");
  runs->clear();
  for (const json& entry : list) {
    MCV_ASSIGN_OR_RETURN(Measured run, MeasuredFromJson(entry));
    runs->push_back(run);
  }
  return OkStatus();
}

double LimitFrom(const json& limits, const char* name) {
  const auto found = limits.find(name);
  return found != limits.end() && found->is_number() ? found->get<double>() : 0.0;
}

}  // namespace

Status CompareSettings(const json& saved, const std::map<std::string, std::string>& settings) {
  std::string differences;
  for (const auto& [name, value] : settings) {
    const auto found = saved.find(name);
    const std::string before =
        found != saved.end() && found->is_string() ? found->get<std::string>() : "";
    if (before != value)
      differences += "\n  " + name + ": was '" + before + "', is '" + value + "'";
  }
  if (differences.empty()) return OkStatus();
  return InvalidArgument("--resume: the earlier run was made with other settings:" + differences +
                         "\nrepeat it as it was, or give another --output");
}

std::vector<TableRow> Tabulate(const Results& results) {
  std::vector<TableRow> table;
  for (const JobSamples& samples : results.jobs) {
    for (const Row& row : samples.job.rows) table.push_back(MakeRow(row, samples, results));
  }
  std::stable_sort(table.begin(), table.end(), [](const TableRow& a, const TableRow& b) {
    return a.row.kind != b.row.kind ? a.row.kind < b.row.kind : a.row.tokens < b.row.tokens;
  });
  return table;
}

json ToJson(const Results& results) {
  json object = {{"format", kFormat},
                 {"date", results.date},
                 {"settings", results.settings},
                 {"machine", results.machine},
                 {"limits", LimitsJson(results.limits)},
                 {"notes", results.notes},
                 {"peers", PeersJson(results)},
                 {"rows", json::array()},
                 {"samples", json::object()}};
  for (const TableRow& line : Tabulate(results)) object["rows"].push_back(RowJson(line, results));
  for (const JobSamples& samples : results.jobs) {
    object["samples"][JobKey(samples.job)] = SamplesJson(samples, results);
  }
  return object;
}

Status TakeEarlierRuns(const std::string& text, Results* results) {
  const json saved = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!saved.is_object() || saved.value("format", json()) != json(kFormat) ||
      !saved.value("settings", json()).is_object() || !saved.value("limits", json()).is_object() ||
      !saved.value("samples", json()).is_object()) {
    return Corrupt("this is no results.json of 'minicpmv bench'");
  }
  MCV_RETURN_IF_ERROR(CompareSettings(saved["settings"], results->settings));
  for (JobSamples& samples : results->jobs) {
    const auto found = saved["samples"].find(JobKey(samples.job));
    if (found == saved["samples"].end() || !found->is_object()) continue;
    MCV_RETURN_IF_ERROR(TakeRuns(found->value("minicpmv", json()), &samples.own));
    const json peers = found->value("peers", json());
    if (!peers.is_object()) return Corrupt("the samples of peers are no object");
    for (size_t i = 0; i < samples.peers.size(); ++i) {
      const std::string& name = results->peers[i].name;
      MCV_RETURN_IF_ERROR(TakeRuns(peers.value(name, json()), &samples.peers[i].runs));
    }
  }
  if (saved.value("date", json()).is_string()) results->date = saved["date"].get<std::string>();
  const json& limits = saved["limits"];
  results->limits = Best(results->limits, {LimitFrom(limits, "read_bytes_per_second"),
                                           LimitFrom(limits, "fp32_operations_per_second"),
                                           LimitFrom(limits, "bf16_operations_per_second"),
                                           LimitFrom(limits, "int8_operations_per_second"),
                                           LimitFrom(limits, "int16_operations_per_second")});
  return OkStatus();
}

std::map<std::string, std::string> DescribeMachine() {
  std::map<std::string, std::string> machine;
  std::ifstream processors("/proc/cpuinfo");
  for (std::string line; std::getline(processors, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) machine["processor"] = line.substr(colon + 2);
    break;
  }
  utsname system = {};
  if (uname(&system) == 0) {
    machine["system"] = std::string(system.sysname) + " " + system.release;
    machine["architecture"] = system.machine;
  }
  machine["processors"] = std::to_string(DefaultThreadCount());
  return machine;
}

std::string UtcNow() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace mcv::bench
