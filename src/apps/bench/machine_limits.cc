// Rates by instruction: independent chains of one multiply-add instruction, enough to hide its
// latency, and nothing else in the loop. Sixteen where there are 32 registers: with twelve, a dot
// product of latency 6, two a cycle, has no slack (Zen 5: 0.75 to 0.84, real tiles reach 0.94).
#include "apps/bench/machine_limits.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <numeric>
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

#if defined(__x86_64__)

constexpr int kChains256 = 12;
constexpr int kChains512 = 16;
#define MCV_CHAIN(instruction, reg, n) instruction " %%" reg "14, %%" reg "15, %%" reg #n "\n\t"
// clang-format 14 never settles on a layout of this one.
// clang-format off
#define MCV_CHAINS_256(i, r)                                         \
  MCV_CHAIN(i, r, 0) MCV_CHAIN(i, r, 1) MCV_CHAIN(i, r, 2)           \
  MCV_CHAIN(i, r, 3) MCV_CHAIN(i, r, 4) MCV_CHAIN(i, r, 5)           \
  MCV_CHAIN(i, r, 6) MCV_CHAIN(i, r, 7) MCV_CHAIN(i, r, 8)           \
  MCV_CHAIN(i, r, 9) MCV_CHAIN(i, r, 10) MCV_CHAIN(i, r, 11)
#define MCV_CHAINS_512(i)                                                    \
  MCV_CHAIN(i, "zmm", 16) MCV_CHAIN(i, "zmm", 17) MCV_CHAIN(i, "zmm", 18)    \
  MCV_CHAIN(i, "zmm", 19) MCV_CHAIN(i, "zmm", 20) MCV_CHAIN(i, "zmm", 21)    \
  MCV_CHAIN(i, "zmm", 22) MCV_CHAIN(i, "zmm", 23) MCV_CHAIN(i, "zmm", 24)    \
  MCV_CHAIN(i, "zmm", 25) MCV_CHAIN(i, "zmm", 26) MCV_CHAIN(i, "zmm", 27)    \
  MCV_CHAIN(i, "zmm", 28) MCV_CHAIN(i, "zmm", 29) MCV_CHAIN(i, "zmm", 30)    \
  MCV_CHAIN(i, "zmm", 31)
// clang-format on
#define MCV_RATE_LOOP_256(name, instruction)                                                     \
  void name() {                                                                                  \
    asm volatile("vzeroall");                                                                    \
    for (int64_t i = 0; i < kLoops; ++i) {                                                       \
      asm volatile(MCV_CHAINS_256(instruction, "ymm")::                                          \
                       : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                         "xmm9", "xmm10", "xmm11", "xmm14", "xmm15");                            \
    }                                                                                            \
  }
// Nothing around is compiled for registers 16 to 31, so nobody misses them.
#define MCV_RATE_LOOP_512(name, instruction)                              \
  void name() {                                                           \
    asm volatile("vzeroall\n\t" MCV_CHAINS_512("vpxord") : : : "memory"); \
    for (int64_t i = 0; i < kLoops; ++i) {                                \
      asm volatile(MCV_CHAINS_512(instruction)::: "xmm14", "xmm15");      \
    }                                                                     \
  }

MCV_RATE_LOOP_256(Fma256, "vfmadd231ps")
MCV_RATE_LOOP_256(Int8Pairs256, "vpmaddubsw")
MCV_RATE_LOOP_256(Int16Pairs256, "vpmaddwd")
MCV_RATE_LOOP_512(Fma512, "vfmadd231ps")
MCV_RATE_LOOP_512(Bf16Dot512, "vdpbf16ps")
MCV_RATE_LOOP_512(Int8Dot512, "vpdpbusd")

// ops: of one instruction.
double Rate(PlacedPool& pool, void (*loop)(), int chains, double ops) {
  const double seconds = pool.Seconds([&](int) { loop(); });
  return kLoops * chains * ops * pool.size() / seconds;
}

// Wider instructions than the named kernels use are not theirs to be measured against.
void MeasureArithmetic(PlacedPool& pool, std::string_view target, Limits* limits) {
  const bool any = target.empty();
  const bool avx512 = (any || target.starts_with("avx512")) && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw");
  if (avx512) {
    limits->fp32_ops = Rate(pool, Fma512, kChains512, 32);
  } else if (__builtin_cpu_supports("fma")) {
    limits->fp32_ops = Rate(pool, Fma256, kChains256, 16);
  }
  if (avx512 && (any || target == "avx512bf16") && __builtin_cpu_supports("avx512bf16")) {
    limits->bf16_ops = Rate(pool, Bf16Dot512, kChains512, 64);
  }
  if (avx512 && __builtin_cpu_supports("avx512vnni")) {
    limits->int8_ops = Rate(pool, Int8Dot512, kChains512, 128);
  } else if (__builtin_cpu_supports("avx2")) {
    limits->int8_ops = Rate(pool, Int8Pairs256, kChains256, 64);
    if (!avx512) limits->int16_ops = Rate(pool, Int16Pairs256, kChains256, 32);
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

// 512 MB, far more than any cache. Handed out in pieces of a MB, like weights: one long part for
// each thread, with its streams far apart, needs so many page walks that it is no limit (30 to 63
// GB/s where pieces get 75, on Zen 5).
class Reader {
 public:
  Reader() : data_(int64_t{64} << 20, 1) {}

  // For one reading by all threads of the pool.
  double Seconds(PlacedPool& pool) {
    std::atomic<uint64_t> sum{0};  // so that no compiler leaves the reading out
    std::atomic<size_t> next{0};
    return pool.Seconds([&](int) {
      constexpr size_t kPiece = (size_t{1} << 20) / sizeof(uint64_t);
      for (size_t at = next.fetch_add(kPiece); at < data_.size(); at = next.fetch_add(kPiece)) {
        sum += ReadAll({data_.data() + at, kPiece});
      }
    });
  }
  double bytes() const { return static_cast<double>(data_.size()) * sizeof(uint64_t); }

 private:
  std::vector<uint64_t> data_;  // whole pieces
};

constexpr size_t kStreams = 4;
constexpr size_t kLine = 8;  // words

#if defined(__x86_64__)

// One load and one addition a line: with narrower ones it is no longer the memory that is waited
// for.
__attribute__((target("avx512f"))) uint64_t ReadWide512(const uint64_t* words, size_t part) {
  __m512i sums[kStreams] = {};
  for (size_t i = 0; i + kLine <= part; i += kLine) {
    for (size_t s = 0; s < kStreams; ++s) {
      sums[s] = _mm512_add_epi64(sums[s], _mm512_loadu_si512(words + s * part + i));
    }
  }
  const __m512i all =
      _mm512_add_epi64(_mm512_add_epi64(sums[0], sums[1]), _mm512_add_epi64(sums[2], sums[3]));
  alignas(64) uint64_t lanes[kLine];
  _mm512_store_si512(lanes, all);
  return std::accumulate(lanes, lanes + kLine, uint64_t{0});
}

__attribute__((target("avx2"))) uint64_t ReadWide256(const uint64_t* words, size_t part) {
  __m256i sums[2 * kStreams] = {};
  for (size_t i = 0; i + kLine <= part; i += kLine) {
    for (size_t s = 0; s < kStreams; ++s) {
      const auto* line = reinterpret_cast<const __m256i*>(words + s * part + i);
      sums[2 * s] = _mm256_add_epi64(sums[2 * s], _mm256_loadu_si256(line));
      sums[2 * s + 1] = _mm256_add_epi64(sums[2 * s + 1], _mm256_loadu_si256(line + 1));
    }
  }
  __m256i all = _mm256_setzero_si256();
  for (const __m256i& sum : sums) all = _mm256_add_epi64(all, sum);
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), all);
  return std::accumulate(lanes, lanes + 4, uint64_t{0});
}

#endif

uint64_t ReadPlain(const uint64_t* words, size_t part) {
  uint64_t lanes[kStreams * kLine] = {};
  for (size_t i = 0; i + kLine <= part; i += kLine) {
    for (size_t s = 0; s < kStreams; ++s) {
      for (size_t j = 0; j < kLine; ++j) lanes[s * kLine + j] += words[s * part + i + j];
    }
  }
  return std::accumulate(lanes, lanes + kStreams * kLine, uint64_t{0});
}

}  // namespace

uint64_t ReadAll(std::span<const uint64_t> words) {
  const size_t part = words.size() / kStreams;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return ReadWide512(words.data(), part);
  if (__builtin_cpu_supports("avx2")) return ReadWide256(words.data(), part);
#endif
  return ReadPlain(words.data(), part);
}

double MeasureReadRate(int threads, double seconds) {
  PlacedPool pool(threads);
  Reader reader;
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
  Reader reader;
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
