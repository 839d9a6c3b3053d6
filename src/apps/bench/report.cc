#include "apps/bench/report.h"

#include <algorithm>
#include <cstdio>

#include "apps/bench/values.h"

namespace mcv::bench {
namespace {

std::string Setting(const std::map<std::string, std::string>& values, const char* name) {
  const auto found = values.find(name);
  return found == values.end() ? "?" : found->second;
}

std::string MachineLine(const Results& results) {
  std::string line =
      Setting(results.machine, "processor") + ", " + Setting(results.machine, "processors") +
      " processors, " + Setting(results.machine, "system") + "; " +
      std::to_string(results.model.threads) + " threads, kernels " + results.model.target + ", " +
      Setting(results.settings, "numerics") + " numerics";
  const std::string encoder = Setting(results.settings, "encoder_numerics");
  if (!encoder.empty()) line += ", the encoder's " + encoder;
  if (!results.peer_backend.empty()) line += "; the peer's back end " + results.peer_backend;
  return line;
}

std::string Cells(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  return line + "\n";
}

std::string ValueCell(const TableRow& line, const std::optional<double>& value) {
  return value ? ValueText(line.row, *value) : "-";
}

std::string ShareCell(const TableRow& line, const std::optional<double>& share) {
  return share ? PercentText(*share) + " (" + line.limit->basis + ")" : "-";
}

std::string TimesCell(const TableRow& line) { return line.times ? TimesText(*line.times) : "-"; }

std::string SinglesCell(const TableRow& line, const std::vector<double>& values,
                        const std::optional<double>& median) {
  return median ? ValuesText(line.row, values, *median) : "-";
}

std::string Table(const Results& results) {
  const bool peer = results.has_peer();
  std::string text =
      peer ? Cells({"what", "minicpmv", "llama.cpp", "times", "of the limit",
                    "of the limit, llama.cpp", "single values", "of llama.cpp"}) +
                 "|---|---|---|---|---|---|---|---|\n"
           : Cells({"what", "minicpmv", "of the limit", "single values"}) + "|---|---|---|---|\n";
  for (const TableRow& line : Tabulate(results)) {
    std::vector<std::string> cells = {line.title, ValueCell(line, line.own_median)};
    if (peer) {
      cells.push_back(ValueCell(line, line.peer_median));
      cells.push_back(TimesCell(line));
    }
    cells.push_back(ShareCell(line, line.own_share));
    if (peer) cells.push_back(line.peer_share ? PercentText(*line.peer_share) : "-");
    cells.push_back(SinglesCell(line, line.own, line.own_median));
    if (peer) cells.push_back(SinglesCell(line, line.peer, line.peer_median));
    text += Cells(cells);
  }
  return text;
}

// Cold runs are only as cold as the system lets them be.
std::string ColdNote(const Results& results) {
  double most = -1.0;
  for (const JobSamples& samples : results.jobs) {
    for (const auto* runs : {&samples.own, &samples.peer}) {
      for (const Measured& run : *runs) most = std::max(most, run.still_cached.value_or(-1.0));
    }
  }
  if (most < 0.0) return "";
  return "- cold: at most " + PercentText(most) +
         " of the files' pages were still cached when a run began\n";
}

// Then a view of one side is not the work of a view of the other.
std::string ViewsNote(const Results& results) {
  std::string text;
  for (const JobSamples& samples : results.jobs) {
    if (!NeedsPicture(samples.job) || samples.own.empty() || samples.peer.empty()) continue;
    const int own = samples.own.back().views, peer = samples.peer.back().views;
    if (own == peer) continue;
    text += "- not the same work: of the picture of '" + JobKey(samples.job) + "' minicpmv made " +
            std::to_string(own) + " views, llama.cpp " + std::to_string(peer) + "\n";
  }
  return text;
}

}  // namespace

std::string HeadLine(const Results& results) {
  std::string line = "minicpmv " + Setting(results.settings, "program");
  if (results.has_peer()) line += " beside llama.cpp " + results.peer_version;
  return line + ", " + results.date;
}

std::string LimitsLine(const Limits& limits) {
  char read[64];
  std::snprintf(read, sizeof read, "read %.1f GB/s", limits.read_bytes * 1e-9);
  std::string line = read;
  const std::pair<const char*, double> rates[] = {{"fp32", limits.fp32_ops},
                                                  {"bf16", limits.bf16_ops},
                                                  {"int8", limits.int8_ops},
                                                  {"int16", limits.int16_ops}};
  for (const auto& [name, ops] : rates) {
    char text[64];
    std::snprintf(text, sizeof text, ", %s %.3f", name, ops * 1e-12);
    line += ops > 0 ? std::string(text) : ", " + std::string(name) + " none";
  }
  return line + " T operations/s";
}

std::string ReportText(const Results& results) {
  std::string text = HeadLine(results) + "\n\n";
  text += "- machine: " + MachineLine(results) + "\n";
  text += "- model: " + Setting(results.settings, "model") + "\n";
  text += "- limits, measured in the same run: " + LimitsLine(results.limits) + "\n";
  text += ColdNote(results) + ViewsNote(results);
  for (const std::string& note : results.notes) text += "- left out: " + note + "\n";
  return text + "\n" + Table(results);
}

}  // namespace mcv::bench
