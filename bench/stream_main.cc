// bench_stream [threads]: one token times weights from memory, beside plain reads of the same
// memory.
//
// On a shared machine the rate of reads changes within seconds, so the two take turns over regions
// of 96 MB and each pair gives one ratio: medians of those repeat where rates do not.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "apps/bench/machine_limits.h"
#include "base/clock.h"
#include "bench/streamed_weights.h"

namespace mcv::bench {
namespace {

constexpr int64_t kRegionBytes = int64_t{96} << 20;
constexpr int64_t kAllBytes = int64_t{1} << 30;
constexpr int kRounds = 40;

double SecondsOf(const auto& work) {
  const auto start = Clock::now();
  work();
  return SecondsSince(start);
}

void ReadWeight(const WeightView& weight, int64_t bytes, ThreadPool& pool) {
  const auto* words = reinterpret_cast<const uint64_t*>(weight.data);
  constexpr int64_t kPiece = (int64_t{1} << 20) / sizeof(uint64_t);
  std::atomic<uint64_t> sum{0};  // so that no compiler leaves the reading out
  pool.For(bytes / static_cast<int64_t>(sizeof(uint64_t)), kPiece,
           [&](int64_t begin, int64_t end, int) {
             sum += ReadAll({words + begin, static_cast<size_t>(end - begin)});
           });
}

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

void Stream(DType type, int64_t cols, Context& ctx) {
  const auto row_bytes = static_cast<int64_t>(*RowBytes(type, static_cast<uint64_t>(cols)));
  StreamedWeights weights(type, kRegionBytes / row_bytes, cols, kAllBytes);
  const std::vector<float> x = RandomFloats(cols, 2);
  std::vector<float> y(static_cast<size_t>(kRegionBytes / row_bytes));
  const auto rows = static_cast<int64_t>(y.size());
  std::vector<double> products, ratios;
  for (int round = 0; round < kRounds; ++round) {
    double read = 0, product = 0;
    for (int turn = 0; turn < 2; ++turn) {
      const WeightView weight = weights.Next();
      if ((round + turn) % 2 == 0) {
        read = SecondsOf([&] { ReadWeight(weight, weights.bytes(), *ctx.pool); });
      } else {
        product = SecondsOf([&] {
          MatMul({x.data(), 1, cols}, weight, {}, {y.data(), 1, rows}, ctx);
        });
      }
    }
    products.push_back(static_cast<double>(weights.bytes()) / product * 1e-9);
    ratios.push_back(read / product);
  }
  std::printf("%-6s %6lld %8.1f GB/s %12.2f %8.2f to %.2f\n",
              std::string(Traits(type).name).c_str(), static_cast<long long>(cols),
              Quantile(products, 0.5), Quantile(ratios, 0.5), Quantile(ratios, 0.25),
              Quantile(ratios, 0.75));
  std::fflush(stdout);
}

}  // namespace
}  // namespace mcv::bench

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : mcv::DefaultThreadCount();
  const auto table = mcv::ChooseTarget();
  if (threads < 1 || !table.ok()) {
    std::fprintf(stderr, "usage: bench_stream [threads >= 1]; MCV_TARGET chooses the kernels\n%s\n",
                 table.ok() ? "" : table.status().ToString().c_str());
    return 2;
  }
  mcv::ThreadPool pool(threads);
  mcv::Context ctx;
  ctx.pool = &pool;
  ctx.table = *table;
  std::printf("%d threads, kernels %s; %d rounds\n", threads,
              std::string(mcv::TargetName(**table)).c_str(), mcv::bench::kRounds);
  std::printf("weight  width      product  of a read's rate, middle half\n");
  for (const mcv::DType type :
       {mcv::DType::kQ4_K, mcv::DType::kQ5_K, mcv::DType::kQ6_K, mcv::DType::kQ8_0,
        mcv::DType::kQ4_0, mcv::DType::kQ5_1, mcv::DType::kF16}) {
    for (const int64_t cols : {4096, 14336}) mcv::bench::Stream(type, cols, ctx);
  }
  return 0;
}
