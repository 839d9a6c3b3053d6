// Many tokens by 16-bit products: vpmaddwd multiplies and adds pairs, twice the rate of an fp32
// multiply-add on the same vector.
//
// Both sides are whole numbers of up to +-2895 with one fp32 scale per (row, 256 elements) and
// (token, 256 elements): 2895 is the most for which 256 products still fit 32 bits. That rounds a
// Gaussian block by 0.03 % rms, as much as storing it in F16 does and an eighth of what bf16 does,
// so any type may come here: what a quantised weight loses is far below its own error.
//
// The same with up to +-127 is what int8 dot products give (Int8AsInt16Panel).
//
// Panel, per 256: [128 pairs of k][16 rows] words, then 16 scales. Strip, per 256: [128][6 tokens]
// words, then 8 scales.
#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/generic/region.h"
#include "kernels/x86_avx2/leaf.h"

#define MCV_TARGET_NS x86_avx2

MCV_REGION_BEGIN("avx2,fma,f16c,bmi,bmi2")

// clang-format off
#include "kernels/x86_avx2/vec.h"
#include "kernels/generic/int8_token-inl.h"
#include "kernels/x86_avx2/panel-inl.h"
// clang-format on

namespace mcv::x86_avx2 {
namespace {

constexpr int64_t kBlock = 256;
constexpr int64_t kWords = kBlock / 2;
constexpr int kLargest16 = 2895;
constexpr int kLargest8 = 127;
static_assert(kBlock * kLargest16 * kLargest16 <= INT32_MAX);

struct PanelBlock {
  uint32_t words[kWords][kPanelRows];
  float scales[kPanelRows];
};
struct StripBlock {
  uint32_t words[kWords][kStrip];
  float scales[16];  // kStrip, and room for what a transposed column spills
};
static_assert(sizeof(PanelBlock) % 64 == 0 && sizeof(StripBlock) % 64 == 0);

int64_t Blocks(int64_t k) { return (k + kBlock - 1) / kBlock; }
int64_t PanelBytes(int64_t k) { return Blocks(k) * static_cast<int64_t>(sizeof(PanelBlock)); }
int64_t StripBytes(int64_t k) { return Blocks(k) * static_cast<int64_t>(sizeof(StripBlock)); }

// Pairs of k that a block of n elements has, in whole transposed tiles.
MCV_INLINE int64_t PairsPadded(int64_t n) { return (n + 15) / 16 * 8; }
// Of these, the ones that AddProducts runs over: it takes two at a time.
MCV_INLINE int64_t PairsMultiplied(int64_t n) { return (n + 3) / 4 * 2; }

// 16 values, times inverse, as whole numbers.
MCV_INLINE void StoreRounded(Vec low, Vec high, Vec inverse, int16_t* out) {
  const __m256i a = _mm256_cvtps_epi32(Mul(low, inverse));
  const __m256i b = _mm256_cvtps_epi32(Mul(high, inverse));
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
  _mm256_store_si256(reinterpret_cast<__m256i*>(out), words);
}

// n <= 256 values to whole numbers up to kLargest; the rest of the last tile is zero. Returns the
// scale.
template <int kLargest>
MCV_INLINE float RoundBlock(const float* x, int64_t n, int16_t* out) {
  constexpr auto kMost = static_cast<float>(kLargest);
  const int64_t whole = n / 16 * 16;
  Vec rest[2] = {Zero(), Zero()};
  if (whole < n) {
    rest[0] = LoadN(x + whole, Take(n - whole));
    if (whole + kLanes < n) rest[1] = LoadN(x + whole + kLanes, Take(n - whole - kLanes));
  }
  const float largest = LargestMagnitude(x, n);
  const Vec inverse = Set(InverseScale(largest, kMost));
  for (int64_t i = 0; i < whole; i += 16) {
    StoreRounded(Load(x + i), Load(x + i + kLanes), inverse, out + i);
  }
  if (whole < n) StoreRounded(rest[0], rest[1], inverse, out + whole);
  return largest / kMost;
}

template <int kLargest>
void PackRows(DType type, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
              std::byte* panel) {
  alignas(32) float values[kBlock];
  alignas(32) int16_t buffer[kPanelRows][kBlock];
  if (count < kPanelRows) std::memset(buffer, 0, sizeof buffer);
  const DTypeTraits& traits = Traits(type);
  auto* out = reinterpret_cast<PanelBlock*>(panel);
  for (int64_t i = 0; i < k; i += kBlock, ++out) {
    const int64_t n = k - i < kBlock ? k - i : kBlock;
    const std::byte* at = rows + i / traits.block_elements * traits.block_bytes;
    for (int64_t r = 0; r < kPanelRows; ++r) {
      out->scales[r] = 0.0f;
      if (r >= count) continue;
      LoadRowAsFloats(type, at + r * row_bytes, n, values);
      out->scales[r] = RoundBlock<kLargest>(values, n, buffer[r]);
    }
    for (int64_t w = 0; w < PairsPadded(n); w += kLanes) {
      const auto* first = reinterpret_cast<const uint32_t*>(buffer[0]) + w;
      TransposeTile(first, kWords, out->words[w], kPanelRows);
      TransposeTile(first + kLanes * kWords, kWords, out->words[w] + kLanes, kPanelRows);
    }
  }
}

// The `count` <= 8 elements of a row from `column` on (a multiple of 8); none are zeros.
MCV_INLINE Vec LoadColumns(DType type, const std::byte* row, int64_t column, int count) {
  if (count <= 0) return Zero();
  switch (type) {
    case DType::kF32:
      return LoadN(reinterpret_cast<const float*>(row) + column, count);
    case DType::kF16:
      return LoadF16(row + 2 * column, count);
    case DType::kBF16:
      return LoadBf16(row + 2 * column, count);
    default: {  // Q8_0: whole blocks of 32
      const std::byte* block = row + column / 32 * 34;
      return Mul(LoadInt8(block + 2 + column % 32), SetF16(block));
    }
  }
}

// Pairs of rows are pairs of k already, so nothing is transposed.
void PackColumns(DType type, const std::byte* rows, int64_t row_bytes, int64_t first, int64_t count,
                 int64_t k, std::byte* panel) {
  constexpr auto kLargest = static_cast<float>(kLargest16);
  alignas(32) float values[kBlock][kPanelRows];
  auto* out = reinterpret_cast<PanelBlock*>(panel);
  for (int64_t i = 0; i < k; i += kBlock, rows += kBlock * row_bytes, ++out) {
    const int64_t n = k - i < kBlock ? k - i : kBlock;
    for (int64_t column = 0; column < kPanelRows; column += kLanes) {
      const int lanes = column < count ? Take(count - column) : 0;
      Vec largest = Zero();
      Vec zeros = Zero();  // as in LargestMagnitude
      for (int64_t r = 0; r < n; ++r) {
        const Vec v = LoadColumns(type, rows + r * row_bytes, first + column, lanes);
        Store(values[r] + column, v);
        largest = Max(largest, Abs(v));
        zeros = Fma(v, Zero(), zeros);
      }
      const int64_t padded = 2 * PairsMultiplied(n);
      for (int64_t r = n; r < padded; ++r) Store(values[r] + column, Zero());
      Store(out->scales + column, Fma(largest, Set(1.0f / kLargest), zeros));
      // A column of zeros keeps a scale of zero; its quotients must not be NaN.
      const Vec inverse = Div(Set(kLargest), Max(largest, Set(1e-30f)));
      for (int64_t r = 0; r < padded; r += 2) {
        const __m256i first = _mm256_cvtps_epi32(Mul(Load(values[r] + column), inverse));
        const __m256i second = _mm256_cvtps_epi32(Mul(Load(values[r + 1] + column), inverse));
        const __m256i pairs = _mm256_blend_epi16(first, _mm256_slli_epi32(second, 16), 0xaa);
        _mm256_store_si256(reinterpret_cast<__m256i*>(out->words[r / 2] + column), pairs);
      }
    }
  }
}

template <int kLargest>
void PackTokens(const float* x, int64_t stride, int64_t tokens, int64_t k, std::byte* strip) {
  alignas(32) int16_t buffer[kLanes][kBlock];
  std::memset(buffer[tokens], 0, static_cast<size_t>(kLanes - tokens) * sizeof buffer[0]);
  auto* out = reinterpret_cast<StripBlock*>(strip);
  for (int64_t i = 0; i < k; i += kBlock, ++out) {
    const int64_t n = k - i < kBlock ? k - i : kBlock;
    float scales[kStrip];
    for (int64_t t = 0; t < tokens; ++t) {
      scales[t] = RoundBlock<kLargest>(x + t * stride + i, n, buffer[t]);
    }
    for (int64_t w = 0; w < PairsPadded(n); w += kLanes) {
      TransposeTile(reinterpret_cast<const uint32_t*>(buffer) + w, kWords, out->words[w], kStrip);
    }
    std::memcpy(out->scales, scales, static_cast<size_t>(tokens) * sizeof(float));
  }
}

// sums += panel x strip over `words` > 0 pairs of k, an even number.
MCV_INLINE void AddProducts(const uint32_t* weights, const uint32_t* tokens, int64_t words,
                            __m256i (&s)[kStrip][2]) {
  const uint32_t* end = weights + words * kPanelRows;
  // clang-format off
  asm("0:\n\t"
      MCV_STEP("vpmaddwd", "vpaddd", "0", "0")
      MCV_STEP("vpmaddwd", "vpaddd", "64", "24")
      "add $128, %[weights]\n\t"
      "add $48, %[tokens]\n\t"
      "cmp %[end], %[weights]\n\t"
      "jne 0b"
      : [weights] "+r"(weights), [tokens] "+r"(tokens), MCV_SUMS("+x", s)
      : [end] "r"(end)
      : "memory", "cc", MCV_STEP_REGISTERS);
  // clang-format on
}

// Absent tokens and rows are zeros in the strip and the panel.
void RunTile(const PanelKernel::TileArgs& args) {
  const auto* panel = reinterpret_cast<const PanelBlock*>(args.panel);
  const auto* strip = reinterpret_cast<const StripBlock*>(args.strip);
  for (int64_t k = 0; k < args.k; k += kBlock, ++panel, ++strip) {
    __m256i sums[kStrip][2];
    MCV_UNROLL
    for (auto& sum : sums) sum[0] = sum[1] = _mm256_setzero_si256();
    const int64_t left = args.k - k;
    const int64_t words = PairsMultiplied(left < kBlock ? left : kBlock);
    AddProducts(panel->words[0], strip->words[0], words, sums);
    const bool add = args.accumulate || k > 0;
    const Vec scales[2] = {Load(panel->scales), Load(panel->scales + kLanes)};
    MCV_UNROLL
    for (int t = 0; t < kStrip; ++t) {
      if (t >= args.tokens) break;
      MCV_UNROLL
      for (int v = 0; v < 2; ++v) {
        float* c = args.c + t * args.ldc + v * kLanes;
        const Vec scale = Mul(scales[v], Set(strip->scales[t]));
        const Vec before = add ? Load(c) : Zero();
        Store(c, Fma(_mm256_cvtepi32_ps(sums[t][v]), scale, before));
      }
    }
  }
}

}  // namespace
}  // namespace mcv::x86_avx2

MCV_REGION_END

namespace mcv::x86_avx2 {

namespace {

template <int kLargest>
constexpr PanelKernel MakePanel() {
  return {
      .panel_rows = kPanelRows,
      .strip_tokens = kStrip,
      .k_block = kBlock,  // two panels of 8 KB and a strip stay in the first-level cache
      .panel_bytes = PanelBytes,
      .strip_bytes = StripBytes,
      .pack_rows = PackRows<kLargest>,
      .pack_columns = kLargest == kLargest16 ? PackColumns : nullptr,
      .pack_tokens = PackTokens<kLargest>,
      .tile = RunTile,
  };
}

}  // namespace

const PanelKernel& Int16Panel() {
  static constexpr PanelKernel kernel = MakePanel<kLargest16>();
  return kernel;
}

const PanelKernel& Int8AsInt16Panel() {
  static constexpr PanelKernel kernel = MakePanel<kLargest8>();
  return kernel;
}

}  // namespace mcv::x86_avx2
