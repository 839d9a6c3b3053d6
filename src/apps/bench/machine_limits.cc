// Rates by instruction: twelve independent chains of one multiply-add instruction, which is enough
// to hide its latency on every processor here, and nothing else in the loop.
#include "apps/bench/machine_limits.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mcv::bench {
namespace {

// Threads on cores of their own where there are enough: two that the system puts on one core for
// some 20 ms would halve a short measurement.
class PlacedPool {
 public:
  explicit PlacedPool(int threads) : pool_(threads) {
    const std::vector<int> cpus = ReadCpuTopology().CoresFirst();
    if (static_cast<size_t>(threads) > cpus.size()) return;
    pool_.Place(cpus);
    caller_.emplace(cpus[0]);
  }
  int size() const { return pool_.size(); }
  double Seconds(const std::function<void(int)>& body) {
    const auto start = Clock::now();
    pool_.Run(body);
    return SecondsSince(start);
  }

 private:
  ThreadPool pool_;
  std::optional<CallerPlace> caller_;
};

constexpr int64_t kLoops = 2'000'000;
constexpr int kChains = 12;

#if defined(__x86_64__)

#define MCV_CHAIN(instruction, reg, n) instruction " %%" reg "14, %%" reg "15, %%" reg #n "\n\t"
// clang-format 14 never settles on a layout of this one.
// clang-format off
#define MCV_CHAINS(i, r)                                             \
  MCV_CHAIN(i, r, 0) MCV_CHAIN(i, r, 1) MCV_CHAIN(i, r, 2)           \
  MCV_CHAIN(i, r, 3) MCV_CHAIN(i, r, 4) MCV_CHAIN(i, r, 5)           \
  MCV_CHAIN(i, r, 6) MCV_CHAIN(i, r, 7) MCV_CHAIN(i, r, 8)           \
  MCV_CHAIN(i, r, 9) MCV_CHAIN(i, r, 10) MCV_CHAIN(i, r, 11)
// clang-format on
#define MCV_RATE_LOOP(name, instruction, reg)                                                    \
  void name() {                                                                                  \
    asm volatile("vzeroall");                                                                    \
    for (int64_t i = 0; i < kLoops; ++i) {                                                       \
      asm volatile(MCV_CHAINS(instruction, reg)::                                                \
                       : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                         "xmm9", "xmm10", "xmm11", "xmm14", "xmm15");                            \
    }                                                                                            \
  }

MCV_RATE_LOOP(Fma256, "vfmadd231ps", "ymm")
MCV_RATE_LOOP(Fma512, "vfmadd231ps", "zmm")
MCV_RATE_LOOP(Bf16Dot512, "vdpbf16ps", "zmm")
MCV_RATE_LOOP(Int8Dot512, "vpdpbusd", "zmm")
MCV_RATE_LOOP(Int8Pairs256, "vpmaddubsw", "ymm")
MCV_RATE_LOOP(Int16Pairs256, "vpmaddwd", "ymm")

double Rate(PlacedPool& pool, void (*loop)(), double ops) {
  const double seconds = pool.Seconds([&](int) { loop(); });
  return kLoops * kChains * ops * pool.size() / seconds;
}

// Wider instructions than the named kernels use are not theirs to be measured against.
void MeasureArithmetic(PlacedPool& pool, std::string_view target, Limits* limits) {
  const bool any = target.empty();
  const bool avx512 = (any || target.starts_with("avx512")) && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw");
  if (avx512) {
    limits->fp32_ops = Rate(pool, Fma512, 32);
  } else if (__builtin_cpu_supports("fma")) {
    limits->fp32_ops = Rate(pool, Fma256, 16);
  }
  if (avx512 && (any || target == "avx512bf16") && __builtin_cpu_supports("avx512bf16")) {
    limits->bf16_ops = Rate(pool, Bf16Dot512, 64);
  }
  if (avx512 && __builtin_cpu_supports("avx512vnni")) {
    limits->int8_ops = Rate(pool, Int8Dot512, 128);
  } else if (__builtin_cpu_supports("avx2")) {
    limits->int8_ops = Rate(pool, Int8Pairs256, 64);
    if (!avx512) limits->int16_ops = Rate(pool, Int16Pairs256, 32);
  }
}

#else

void MeasureArithmetic(PlacedPool& pool, std::string_view, Limits* limits) {
  const double seconds = pool.Seconds([](int) {
    float sums[64] = {};
    for (int64_t i = 0; i < kLoops; ++i) {
      for (float& s : sums) s = s * 1.0000001f + 1.0f;
      asm volatile("" : : "r"(sums) : "memory");
    }
  });
  limits->fp32_ops = 128.0 * kLoops * pool.size() / seconds;
}

#endif

// 512 MB, far more than any cache, each thread its own part.
class Reader {
 public:
  explicit Reader(int threads)
      : threads_(threads),
        data_(int64_t{64} << 20, 1),
        part_(static_cast<int64_t>(data_.size()) / threads / 32 * 32),
        sums_(static_cast<size_t>(threads) * 8) {}

  // For one reading by all threads of the pool, which are as many as here.
  double Seconds(PlacedPool& pool) {
    return pool.Seconds([this](int thread) { Read(thread); });
  }
  double bytes() const { return static_cast<double>(part_ * threads_) * sizeof(uint64_t); }

 private:
  void Read(int thread) {
    const std::span<const uint64_t> own(data_.data() + thread * part_, static_cast<size_t>(part_));
    sums_[static_cast<size_t>(thread) * 8] += ReadAll(own);
  }

  int64_t threads_;
  std::vector<uint64_t> data_;
  int64_t part_;
  std::vector<uint64_t> sums_;  // a line apart
};

}  // namespace

uint64_t ReadAll(std::span<const uint64_t> words) {
  constexpr size_t kStreams = 4;
  constexpr size_t kLine = 8;
  const size_t part = words.size() / kStreams;
  uint64_t lanes[kStreams * kLine] = {};
  for (size_t i = 0; i + kLine <= part; i += kLine) {
    for (size_t s = 0; s < kStreams; ++s) {
      for (size_t j = 0; j < kLine; ++j) lanes[s * kLine + j] += words[s * part + i + j];
    }
  }
  uint64_t sum = 0;
  for (const uint64_t lane : lanes) sum += lane;
  return sum;
}

double MeasureReadRate(int threads, double seconds) {
  PlacedPool pool(threads);
  Reader reader(threads);
  double bytes = 0.0, spent = 0.0;
  while (spent < seconds || bytes == 0.0) {
    spent += reader.Seconds(pool);
    bytes += reader.bytes();
  }
  return bytes / spent;
}

// All rates in turn, again and again: what disturbs the machine for a second then finds none of
// them alone with it.
Limits MeasureLimits(int threads, int rounds, std::string_view target) {
  PlacedPool pool(threads);
  Reader reader(threads);
  Limits best;
  for (int i = 0; i < rounds; ++i) {
    Limits now;
    now.read_bytes = reader.bytes() / reader.Seconds(pool);
    MeasureArithmetic(pool, target, &now);
    best = Best(best, now);
  }
  return best;
}

Limits Best(const Limits& a, const Limits& b) {
  return {std::max(a.read_bytes, b.read_bytes), std::max(a.fp32_ops, b.fp32_ops),
          std::max(a.bf16_ops, b.bf16_ops), std::max(a.int8_ops, b.int8_ops),
          std::max(a.int16_ops, b.int16_ops)};
}

}  // namespace mcv::bench
