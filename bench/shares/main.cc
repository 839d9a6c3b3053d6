// bench_shares: shares of the machine's limits that the kernels reach, against accepted ones.
// `./dev bench baseline` and `./dev bench compare` run bench_kernels several times and call it:
//
//   bench_shares accept FOLDER RUN.json...     writes FOLDER/<processor>-<target>-<threads>.json
//   bench_shares compare FOLDER RUN.json...    prints a table beside that file; never a failure of
//                                              a kernel's: wall-clock time is for people to judge
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <span>

#include "base/mapped_file.h"
#include "bench/shares/benchmark_runs.h"

namespace mcv::bench {
namespace {

// What five runs on a quiet machine may differ by; a larger spread of either side counts instead.
constexpr double kTolerance = 0.05;

Result<Accepted> ReadRuns(std::span<char* const> paths) {
  std::vector<BenchmarkRun> runs;
  for (const char* path : paths) {
    MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kLargestFile));
    auto run = ParseBenchmarkRun(text);
    if (!run.ok()) return run.status().Annotate(path);
    runs.push_back(std::move(*run));
  }
  return JoinRuns(runs);
}

std::string Today() {
  const std::time_t now = std::time(nullptr);
  std::tm day = {};
  gmtime_r(&now, &day);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &day);
  return text;
}

std::string Cell(const Number& number) {
  if (number.value <= 0) return "-";
  char text[48];
  std::snprintf(text, sizeof text, "%6.1f %% (%2.0f %%)", 100 * number.value, 100 * number.spread);
  return text;
}

const char* Text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHigher:
      return "faster";
    case Verdict::kLower:
      return "SLOWER";
    case Verdict::kNew:
      return "not accepted yet";
    default:
      return "";
  }
}

void PrintTable(const std::vector<Comparison>& comparisons) {
  std::printf("%-40s %16s %16s %7s\n", "share of the limit (spread of the runs)", "accepted", "now",
              "ratio");
  int slower = 0, faster = 0, left_out = 0;
  double widest = 0;
  for (const Comparison& c : comparisons) {
    if (c.verdict == Verdict::kMissing) {
      ++left_out;
      continue;
    }
    slower += c.verdict == Verdict::kLower ? 1 : 0;
    faster += c.verdict == Verdict::kHigher ? 1 : 0;
    widest = std::max({widest, c.accepted.spread, c.now.spread});
    std::printf("%-40s %16s %16s ", c.name.c_str(), Cell(c.accepted).c_str(), Cell(c.now).c_str());
    if (c.verdict != Verdict::kNew) std::printf("%7.2f", c.ratio());
    std::printf("  %s\n", Text(c.verdict));
  }
  std::printf(
      "%d slower, %d faster than %.0f %% and the spreads explain; %d accepted ones not run\n",
      slower, faster, 100 * kTolerance, left_out);
  if (widest > 0.2) {
    std::printf(
        "The widest spread is %.0f %%: the machine was disturbed, judge by nothing small.\n",
        100 * widest);
  }
}

Status Accept(const std::string& folder, Accepted now) {
  now.about["unit"] =
      "share of the limit that the same run measured; median and spread of the runs";
  now.about["made by"] = "./dev bench baseline " + now.about["runs"];
  now.about["date"] = Today();
  now.about["compiler"] = Compiler();
  const std::string path = folder + "/" + BaselineFileName(now);
  const Result<Accepted> before = ReadAccepted(path);
  if (!before.ok()) {
    std::printf("nothing to compare with: %s\n", before.status().ToString().c_str());
  }
  PrintTable(Compare(before.ok() ? before->numbers : Numbers(), now.numbers, kTolerance));
  MCV_RETURN_IF_ERROR(WriteAccepted(path, now));
  std::printf("accepted: %zu kernels in %s\n", now.numbers.size(), path.c_str());
  return OkStatus();
}

Status CompareWithAccepted(const std::string& folder, const Accepted& now) {
  const std::string path = folder + "/" + BaselineFileName(now);
  const Result<Accepted> accepted = ReadAccepted(path);
  if (!accepted.ok()) {
    return accepted.status().Annotate(
        "nothing is accepted for this processor, target and thread "
        "count (./dev bench baseline does)");
  }
  PrintTable(Compare(accepted->numbers, now.numbers, kTolerance));
  for (const auto& [key, value] : accepted->about) {
    const auto here = now.about.find(key);
    if (key.starts_with("limit_") && here != now.about.end()) {
      std::printf("%-40s %16s %16s\n", key.c_str(), value.c_str(), here->second.c_str());
    }
  }
  return OkStatus();
}

int Main(std::span<char* const> args) {
  const std::string_view verb = args.size() > 3 ? args[1] : "";
  if (verb != "accept" && verb != "compare") {
    std::fprintf(stderr, "usage: bench_shares accept|compare FOLDER RUN.json...\n");
    return 2;
  }
  auto now = ReadRuns(args.subspan(3));
  Status status = now.status();
  if (now.ok()) {
    status =
        verb == "accept" ? Accept(args[2], std::move(*now)) : CompareWithAccepted(args[2], *now);
  }
  if (status.ok()) return 0;
  std::fflush(stdout);
  std::fprintf(stderr, "bench_shares: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace mcv::bench

int main(int argc, char** argv) { return mcv::bench::Main({argv, static_cast<size_t>(argc)}); }
