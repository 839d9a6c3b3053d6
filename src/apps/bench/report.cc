#include "apps/bench/report.h"

#include <algorithm>
#include <cstdio>

#include "apps/bench/values.h"

namespace mcv::bench {
namespace {

std::string MachineLine(const Results& results) {
  std::string line = MachineText(results.machine) + "; " + std::to_string(results.model.threads) +
                     " threads, kernels " + results.model.target + ", " +
                     Setting(results.settings, "numerics") + " numerics";
  const auto encoder = results.settings.find("encoder_numerics");
  if (encoder != results.settings.end()) line += ", the encoder's " + encoder->second;
  return line + BackendsText(results);
}

std::string ValueCell(const TableRow& line, const std::optional<double>& value) {
  return value ? ValueText(line.row, *value) : "-";
}

std::string ShareCell(const TableRow& line, const std::optional<double>& share) {
  return share ? PercentText(*share) + " (" + line.limit->basis + ")" : "-";
}

std::string SinglesCell(const TableRow& line, const TableCell& cell) {
  return cell.median ? ValuesText(line.row, cell.values, *cell.median) : "-";
}

std::string TableHead(const Results& results) {
  std::vector<std::string> cells = {"what", "minicpmv"};
  for (const PeerIdentity& peer : results.peers) {
    cells.insert(cells.end(), {peer.name, "times"});
  }
  cells.emplace_back("of the limit");
  for (const PeerIdentity& peer : results.peers) cells.push_back("of the limit, " + peer.name);
  cells.emplace_back("single values");
  for (const PeerIdentity& peer : results.peers) cells.push_back("of " + peer.name);
  std::string rule = "|";
  for (size_t i = 0; i < cells.size(); ++i) rule += "---|";
  return Cells(cells) + rule + "\n";
}

std::string Table(const Results& results) {
  std::string text = TableHead(results);
  for (const TableRow& line : Tabulate(results)) {
    std::vector<std::string> cells = {line.title, ValueCell(line, line.own.median)};
    for (const PeerCell& peer : line.peers) {
      cells.push_back(ValueCell(line, peer.median));
      cells.push_back(peer.times ? TimesText(*peer.times) : "-");
    }
    cells.push_back(ShareCell(line, line.own.share));
    for (const PeerCell& peer : line.peers) {
      cells.push_back(peer.share ? PercentText(*peer.share) : "-");
    }
    cells.push_back(SinglesCell(line, line.own));
    for (const PeerCell& peer : line.peers) cells.push_back(SinglesCell(line, peer));
    text += Cells(cells);
  }
  return text;
}

// Cold runs are only as cold as the system lets them be.
std::string ColdNote(const Results& results) {
  double most = -1.0;
  for (const JobSamples& samples : results.jobs) {
    const auto look = [&](const std::vector<Measured>& runs) {
      for (const Measured& run : runs) most = std::max(most, run.still_cached.value_or(-1.0));
    };
    look(samples.own);
    for (const PeerSamples& peer : samples.peers) look(peer.runs);
  }
  if (most < 0.0) return "";
  return "- cold: at most " + PercentText(most) +
         " of the files' pages were still cached when a run began\n";
}

// Then a view of one side is not the work of a view of the other.
std::string ViewsNote(const Results& results) {
  std::string text;
  for (const JobSamples& samples : results.jobs) {
    if (!NeedsPicture(samples.job) || samples.own.empty()) continue;
    for (size_t i = 0; i < samples.peers.size(); ++i) {
      if (samples.peers[i].runs.empty()) continue;
      const int own = samples.own.back().views, peer = samples.peers[i].runs.back().views;
      if (own == peer) continue;
      text += "- not the same work: of the picture of '" + JobKey(samples.job) +
              "' minicpmv made " + std::to_string(own) + " views, " + results.peers[i].name + " " +
              std::to_string(peer) + "\n";
    }
  }
  return text;
}

}  // namespace

std::string Setting(const std::map<std::string, std::string>& values, const char* name) {
  const auto found = values.find(name);
  return found == values.end() ? "?" : found->second;
}

std::string MachineText(const std::map<std::string, std::string>& machine) {
  return Setting(machine, "processor") + ", " + Setting(machine, "processors") + " processors, " +
         Setting(machine, "system");
}

std::string Cells(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  return line + "\n";
}

std::string HeadLine(const Results& results) {
  std::string line = "minicpmv " + Setting(results.settings, "program");
  for (size_t i = 0; i < results.peers.size(); ++i) {
    const PeerIdentity& peer = results.peers[i];
    line += (i == 0 ? " beside " : " and ") + peer.name + " " + peer.version;
  }
  return line + ", " + results.date;
}

std::string BackendsText(const Results& results) {
  std::string text;
  for (const PeerIdentity& peer : results.peers) {
    if (!peer.backend.empty()) text += "; back end of " + peer.name + " " + peer.backend;
  }
  return text;
}

std::vector<std::string> OptionLines(const Results& results) {
  std::vector<std::string> lines;
  for (const PeerIdentity& peer : results.peers) {
    if (!peer.words.empty()) lines.push_back("options of " + peer.name + ": " + peer.words);
  }
  return lines;
}

std::vector<std::string> LeftOut(const Results& results) {
  std::vector<std::string> texts = results.notes;
  for (const TableRow& line : Tabulate(results)) {
    for (size_t i = 0; i < line.peers.size(); ++i) {
      if (line.peers[i].left_out.empty()) continue;
      texts.push_back(RowKey(line.row) + " of " + results.peers[i].name + ": " +
                      line.peers[i].left_out);
    }
  }
  return texts;
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
  for (const std::string& line : OptionLines(results)) text += "- " + line + "\n";
  text += ColdNote(results) + ViewsNote(results);
  for (const std::string& note : LeftOut(results)) text += "- left out: " + note + "\n";
  return text + "\n" + Table(results);
}

}  // namespace mcv::bench
