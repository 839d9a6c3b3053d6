// bench_limits [threads]: prints what the machine can do.
#include <cstdio>
#include <cstdlib>

#include "apps/bench/machine_limits.h"
#include "base/thread_pool.h"

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : mcv::DefaultThreadCount();
  if (threads < 1) {
    std::fprintf(stderr, "usage: bench_limits [threads >= 1]\n");
    return 2;
  }
  const mcv::bench::Limits limits = mcv::bench::MeasureLimits(threads);
  std::printf("threads      %8d\n", threads);
  std::printf("read         %8.1f GB/s\n", limits.read_bytes * 1e-9);
  std::printf("fp32         %8.3f T operations/s\n", limits.fp32_ops * 1e-12);
  std::printf("bf16         %8.3f T operations/s\n", limits.bf16_ops * 1e-12);
  std::printf("int8         %8.3f T operations/s\n", limits.int8_ops * 1e-12);
  std::printf("int16        %8.3f T operations/s\n", limits.int16_ops * 1e-12);
  return 0;
}
