// What the table and the ladder of `minicpmv bench` share around their runs: the folder that gets
// the results, this program as a command, the progress line.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/bench/run.h"
#include "apps/cli/terminal/terminal.h"
#include "base/status.h"

namespace mcv::cli {

// Results in the three forms that the folder holds.
struct BenchForms {
  std::string json;
  std::string text;
  std::string svg;
};

// The folder of --output; without one nothing is written.
class BenchOutput {
 public:
  BenchOutput(std::string folder, bool resume) : folder_(std::move(folder)), resume_(resume) {}

  bool wanted() const { return !folder_.empty(); }
  // Makes the folder. Where it holds earlier runs, `take` gets their text, if resuming was asked
  // for; else InvalidArgument. `take`'s error is annotated with the file.
  Status Open(const std::function<Status(const std::string&)>& take) const;
  // results.json, .md and .svg.
  Status Save(const BenchForms& forms) const;
  // `text` on standard output, and where else it is on standard error.
  void Print(const std::string& text) const;

 private:
  std::string PathOf(const std::string& kind) const;

  std::string folder_;
  bool resume_;
};

// Indented. Names from outside may hold bytes that are not UTF-8: they are replaced.
std::string JsonText(const nlohmann::json& json);

// The path of the program that runs.
Result<std::string> OwnProgram();

// For bench::RunOptions::on_progress; `line` must outlive it.
std::function<void(const bench::Progress&)> ShowOn(ProgressLine* line);

}  // namespace mcv::cli
