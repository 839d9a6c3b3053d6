#include "bench/shares/benchmark_runs.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

namespace mcv::bench {
namespace {

using nlohmann::json;

constexpr std::string_view kOwners[] = {"cpu", "target", "threads"};

// Google Benchmark appends how it measured: "Gemv/Q4_K/1/4096/4096/min_time:0.300/real_time".
std::string ShapeName(const std::string& name) {
  const size_t end = std::min({name.size(), name.find("/min_time:"), name.find("/real_time")});
  return name.substr(0, end);
}

// The noise of a few runs hides more digits.
double Rounded(double value) { return std::round(value * 1e4) / 1e4; }

std::string Range(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  char text[64];
  std::snprintf(text, sizeof text, "%.4g to %.4g", values.front(), values.back());
  return text;
}

Status NoteOwners(std::span<const BenchmarkRun> runs, Accepted* joined) {
  for (const std::string_view key : kOwners) {
    for (const BenchmarkRun& run : runs) {
      const auto found = run.context.find(std::string(key));
      if (found == run.context.end() || found->second.empty()) {
        return Corrupt("a run's context has no \"" + std::string(key) +
                       "\"; was it bench_kernels?");
      }
      const std::string& first = joined->about.emplace(key, found->second).first->second;
      if (first != found->second) {
        return InvalidArgument("runs of different " + std::string(key) + ": " + first + " and " +
                               found->second);
      }
    }
  }
  return OkStatus();
}

void NoteLimits(std::span<const BenchmarkRun> runs, Accepted* joined) {
  std::map<std::string, std::vector<double>> limits;
  for (const BenchmarkRun& run : runs) {
    for (const auto& [key, value] : run.context) {
      if (!key.starts_with("limit_")) continue;
      const double limit = std::strtod(value.c_str(), nullptr);
      if (limit > 0) limits[key].push_back(limit);
    }
  }
  for (const auto& [key, values] : limits) joined->about[key] = Range(values);
}

}  // namespace

Result<BenchmarkRun> ParseBenchmarkRun(std::string_view text) {
  const json file = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool whole = file.is_object() && file.contains("context") && file["context"].is_object() &&
                     file.contains("benchmarks") && file["benchmarks"].is_array();
  if (!whole) {
    return Corrupt("expected Google Benchmark's JSON with \"context\" and \"benchmarks\"");
  }
  BenchmarkRun run;
  for (const auto& [key, value] : file["context"].items()) {
    if (value.is_string()) run.context[key] = value.get<std::string>();
  }
  for (const json& entry : file["benchmarks"]) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string()) {
      return Corrupt("a benchmark without a name: " + entry.dump());
    }
    const auto share = entry.find("of_peak");
    if (share == entry.end()) continue;
    const std::string name = ShapeName(entry["name"].get<std::string>());
    if (!share->is_number() || !(share->get<double>() > 0)) {
      return Corrupt(name + ": \"of_peak\" is no share above 0: " + share->dump());
    }
    run.shares[name] = share->get<double>();
  }
  if (run.shares.empty()) return Corrupt("no benchmark with a share of the limit (\"of_peak\")");
  return run;
}

Result<Accepted> JoinRuns(std::span<const BenchmarkRun> runs) {
  if (runs.empty()) return InvalidArgument("no run to take medians of");
  Accepted joined;
  MCV_RETURN_IF_ERROR(NoteOwners(runs, &joined));
  NoteLimits(runs, &joined);
  joined.about["runs"] = std::to_string(runs.size());
  std::map<std::string, std::vector<double>> values;
  for (const BenchmarkRun& run : runs) {
    for (const auto& [name, share] : run.shares) values[name].push_back(share);
  }
  for (const auto& [name, shares] : values) {
    const Number median = MedianOf(shares);
    joined.numbers[name] = {Rounded(median.value), Rounded(median.spread)};
  }
  return joined;
}

std::string BaselineFileName(const Accepted& shares) {
  std::string words;
  for (const std::string_view key : kOwners) {
    const auto found = shares.about.find(std::string(key));
    if (found != shares.about.end()) words += found->second + " ";
  }
  std::string name;
  for (const char c : words) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  return name + "threads.json";
}

}  // namespace mcv::bench
