// The peers of `minicpmv bench`, from its options.
#pragma once

#include <memory>
#include <vector>

#include "apps/bench/results.h"
#include "apps/bench/side.h"
#include "apps/cli/bench/bench_options.h"

namespace mcv::cli {

// Asks each peer who it is, and fills results->peers and each job's place for them, in the order of
// the options. Errors as bench::FindPeer; InvalidArgument also for two peers of one name and words
// that cannot be split.
Result<std::vector<std::unique_ptr<bench::Side>>> FindPeers(const BenchOptions& options,
                                                            bench::Results* results);

// What must be the same for two runs to belong together: who the peers are, and what they are
// given.
void DescribePeers(const BenchOptions& options, bench::Results* results);

}  // namespace mcv::cli
