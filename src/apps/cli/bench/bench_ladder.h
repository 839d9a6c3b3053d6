// minicpmv bench --ladder: what each step of optimisation wins, beside the paper's figures.
#pragma once

#include "apps/cli/bench/bench_options.h"

namespace mcv::cli {

// An exit status.
int RunBenchLadder(const BenchOptions& options, const std::string& program_version);

}  // namespace mcv::cli
