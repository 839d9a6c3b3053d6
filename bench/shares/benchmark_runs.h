// What several runs of bench_kernels say together: each kernel's share of the machine's limit.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "bench/accepted.h"

namespace mcv::bench {

// One run of bench_kernels --benchmark_out_format=json.
struct BenchmarkRun {
  std::map<std::string, std::string> context;  // "cpu", "target", "threads", "limit_read_GB/s", ...
  std::map<std::string, double> shares;        // "Gemv/Q4_K/1/4096/4096": of the run's own limit
};

// Benchmarks without a share are left out. Errors say what is missing.
Result<BenchmarkRun> ParseBenchmarkRun(std::string_view text);

// Medians and spreads over the runs, and what they belong to: processor, target and threads, which
// must be the same in all. The limits are noted with their lowest and highest value.
Result<Accepted> JoinRuns(std::span<const BenchmarkRun> runs);

// "amd-epyc-family-25-model-1-avx2-2-threads.json", of what JoinRuns says about the numbers.
std::string BaselineFileName(const Accepted& shares);

}  // namespace mcv::bench
