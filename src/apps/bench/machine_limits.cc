// Rates by instruction: twelve independent chains of one multiply-add instruction, which is enough
// to hide its latency on every processor here, and nothing else in the loop.
#include "apps/bench/machine_limits.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mcv::bench {
namespace {

double BestSeconds(ThreadPool& pool, int rounds, const std::function<void(int)>& body) {
  double best = 1e30;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    pool.Run(body);
    best = std::min(best, SecondsSince(start));
  }
  return best;
}

constexpr int64_t kLoops = 1'000'000;
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

double Rate(ThreadPool& pool, int rounds, void (*loop)(), double ops) {
  const double seconds = BestSeconds(pool, rounds, [&](int) { loop(); });
  return kLoops * kChains * ops * pool.size() / seconds;
}

// Wider instructions than the named kernels use are not theirs to be measured against.
void MeasureArithmetic(ThreadPool& pool, int rounds, std::string_view target, Limits* limits) {
  const bool any = target.empty();
  const bool avx512 = (any || target.starts_with("avx512")) && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw");
  if (avx512) {
    limits->fp32_ops = Rate(pool, rounds, Fma512, 32);
  } else if (__builtin_cpu_supports("fma")) {
    limits->fp32_ops = Rate(pool, rounds, Fma256, 16);
  }
  if (avx512 && (any || target == "avx512bf16") && __builtin_cpu_supports("avx512bf16")) {
    limits->bf16_ops = Rate(pool, rounds, Bf16Dot512, 64);
  }
  if (avx512 && __builtin_cpu_supports("avx512vnni")) {
    limits->int8_ops = Rate(pool, rounds, Int8Dot512, 128);
  } else if (__builtin_cpu_supports("avx2")) {
    limits->int8_ops = Rate(pool, rounds, Int8Pairs256, 64);
    if (!avx512) limits->int16_ops = Rate(pool, rounds, Int16Pairs256, 32);
  }
}

#else

void MeasureArithmetic(ThreadPool& pool, int rounds, std::string_view, Limits* limits) {
  const double seconds = BestSeconds(pool, rounds, [](int) {
    float sums[64] = {};
    for (int64_t i = 0; i < kLoops; ++i) {
      for (float& s : sums) s = s * 1.0000001f + 1.0f;
      asm volatile("" : : "r"(sums) : "memory");
    }
  });
  limits->fp32_ops = 128.0 * kLoops * pool.size() / seconds;
}

#endif

// Sums 512 MB, far more than any cache, each thread its own part.
double ReadRate(ThreadPool& pool, int rounds) {
  constexpr int64_t kWords = int64_t{64} << 20;
  std::vector<uint64_t> data(kWords, 1);
  const int64_t part = kWords / pool.size() / 32 * 32;
  std::vector<uint64_t> sums(static_cast<size_t>(pool.size()) * 8);
  const double seconds = BestSeconds(pool, rounds, [&](int worker) {
    const std::span<const uint64_t> own(data.data() + worker * part, static_cast<size_t>(part));
    sums[static_cast<size_t>(worker) * 8] += ReadAll(own);
  });
  return 8.0 * static_cast<double>(part) * pool.size() / seconds;
}

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

Limits MeasureLimits(int threads, int rounds, std::string_view target) {
  ThreadPool pool(threads);
  Limits limits;
  limits.read_bytes = ReadRate(pool, std::max(rounds / 2, 2));
  MeasureArithmetic(pool, rounds, target, &limits);
  return limits;
}

Limits Best(const Limits& a, const Limits& b) {
  return {std::max(a.read_bytes, b.read_bytes), std::max(a.fp32_ops, b.fp32_ops),
          std::max(a.bf16_ops, b.bf16_ops), std::max(a.int8_ops, b.int8_ops),
          std::max(a.int16_ops, b.int16_ops)};
}

}  // namespace mcv::bench
