#include "apps/parity/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace mcv::parity {

namespace {

std::string Padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string Number(double value) {
  if (!std::isfinite(value)) return "unequal";
  char text[32];
  std::snprintf(text, sizeof(text), value == 0.0 || value >= 1.0 ? "%.6g" : "%.2e", value);
  return text;
}

}  // namespace

ReportRow& Report::FindRow(const Check& check) {
  for (ReportRow& row : rows_) {
    if (row.run == check.run && row.source == check.source && row.stage == check.stage) return row;
  }
  ReportRow& row = rows_.emplace_back();
  row.run = check.run;
  row.source = check.source;
  row.stage = check.stage;
  return row;
}

void Report::Add(const Check& check) {
  ReportRow& row = FindRow(check);
  // Not-a-number fails: it is not within any tolerance.
  const bool holds = check.difference <= check.tolerance;
  if (row.checks == 0 || !(check.difference - check.tolerance <= row.worst - row.tolerance)) {
    row.worst = check.difference;
    row.tolerance = check.tolerance;
    row.worst_where = check.where;
  }
  if (!holds && row.failures == 0) row.detail = check.where + ": " + check.detail;
  ++row.checks;
  ++checks_;
  if (holds) return;
  ++row.failures;
  ++failures_;
}

void Report::Broken(const std::string& run, const std::string& source, const std::string& what) {
  ReportRow& row = rows_.emplace_back();
  row.run = run;
  row.source = source;
  row.stage = "files";
  row.checks = row.failures = 1;
  row.worst = HUGE_VAL;
  row.detail = what;
  ++failures_;
}

void Report::Note(const std::string& text) {
  if (std::find(notes_.begin(), notes_.end(), text) == notes_.end()) notes_.push_back(text);
}

std::string Report::Table() const {
  size_t run_width = 3, source_width = 5, stage_width = 5;
  for (const ReportRow& row : rows_) {
    run_width = std::max(run_width, row.run.size());
    source_width = std::max(source_width, row.source.size());
    stage_width = std::max(stage_width, row.stage.size());
  }
  const auto line = [&](const std::string& run, const std::string& source, const std::string& stage,
                        const std::string& checks, const std::string& worst,
                        const std::string& tolerance, const std::string& verdict,
                        const std::string& where) {
    return Padded(run, run_width) + "  " + Padded(source, source_width) + "  " +
           Padded(stage, stage_width) + "  " + Padded(checks, 6) + "  " + Padded(worst, 9) + "  " +
           Padded(tolerance, 9) + "  " + Padded(verdict, 4) + "  " + where + "\n";
  };
  std::string text =
      line("run", "files", "stage", "checks", "largest", "tolerance", "", "worst case");
  for (const ReportRow& row : rows_) {
    text += line(row.run, row.source, row.stage, std::to_string(row.checks), Number(row.worst),
                 Number(row.tolerance), row.failures == 0 ? "ok" : "FAIL",
                 row.failures == 0 ? row.worst_where : row.detail);
  }
  for (const std::string& note : notes_) text += "note: " + note + "\n";
  text += std::to_string(checks_) + " comparisons in " + std::to_string(rows_.size()) + " rows, ";
  if (checks_ == 0 && failures_ == 0) return text + "nothing could be replayed: FAIL\n";
  return text + (failures_ == 0 ? "all hold: ok\n" : std::to_string(failures_) + " FAIL\n");
}

std::string Report::Json() const {
  nlohmann::json rows = nlohmann::json::array();
  for (const ReportRow& row : rows_) {
    nlohmann::json largest = nullptr;  // JSON has no infinity: null says "cannot be compared"
    if (std::isfinite(row.worst)) largest = row.worst;
    rows.push_back({{"run", row.run},
                    {"files", row.source},
                    {"stage", row.stage},
                    {"checks", row.checks},
                    {"failures", row.failures},
                    {"largest_difference", largest},
                    {"tolerance", row.tolerance},
                    {"worst_case", row.worst_where},
                    {"detail", row.detail},
                    {"ok", row.failures == 0}});
  }
  const nlohmann::json out = {{"ok", ok()},
                              {"checks", checks_},
                              {"failures", failures_},
                              {"rows", rows},
                              {"notes", notes_}};
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace mcv::parity
