// Many tokens by bf16 dot products (vdpbf16ps): each 32-bit lane takes two consecutive k of one
// weight row and adds both products to that row's fp32 sum. Panels are [k/2][32 rows], strips
// [k/2][12 tokens], both in words of two bf16; weights of any type are converted while the panel is
// packed. Against fp32 the result is off by the rounding of the operands (2^-8 each at most).
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/generic/region.h"
#include "kernels/x86_avx2/leaf.h"
#include "kernels/x86_avx512/leaf.h"

#define MCV_TARGET_NS x86_avx512

MCV_REGION_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,f16c,bmi,bmi2")

#include "kernels/x86_avx512/vec.h"

namespace mcv::x86_avx512 {
namespace {

constexpr int64_t kPanelRows = 32;
constexpr int64_t kStrip = 12;
constexpr int64_t kChunk = 256;  // elements of a row converted at a time
constexpr int64_t kChunkWords = kChunk / 2;

int64_t PaddedWords(int64_t k) { return (k + 2 * kLanes - 1) / (2 * kLanes) * kLanes; }
int64_t PanelBytes(int64_t k) { return PaddedWords(k) * kPanelRows * 4; }
// A transposed column is stored a whole vector wide, hence the room after the last one.
int64_t StripBytes(int64_t k) { return PaddedWords(k) * kStrip * 4 + 64; }

// 32 bf16: those of `low` first.
MCV_INLINE __m512i ToBf16(Vec low, Vec high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

template <DType kType>
MCV_INLINE Vec LoadAs(const std::byte* row, int64_t i, int count) {
  if constexpr (kType == DType::kF16) return LoadF16(row + 2 * i, count);
  if constexpr (kType == DType::kBF16) return LoadBf16(row + 2 * i, count);
  if constexpr (kType == DType::kQ8_0) {  // whole vectors only: rows are whole blocks
    const std::byte* block = row + i / 32 * 34;
    return Mul(LoadInt8(block + 2 + i % 32), SetF16(block));
  }
  return LoadN(reinterpret_cast<const float*>(row) + i, count);
}

MCV_INLINE int TakeOrNone(int64_t left) { return left <= 0 ? 0 : Take(left); }

// n elements as bf16, followed by zeros up to a whole vector.
template <DType kType>
MCV_INLINE void ConvertAs(const std::byte* row, int64_t n, uint32_t* out) {
  for (int64_t i = 0; i < n; i += 2 * kLanes) {
    const Vec low = LoadAs<kType>(row, i, Take(n - i));
    const int rest = TakeOrNone(n - i - kLanes);
    const Vec high = rest > 0 ? LoadAs<kType>(row, i + kLanes, rest) : Zero();
    _mm512_storeu_si512(out + i / 2, ToBf16(low, high));
  }
}

void Convert(DType type, const std::byte* row, int64_t n, uint32_t* out) {
  if (type == DType::kF16) return ConvertAs<DType::kF16>(row, n, out);
  if (type == DType::kBF16) return ConvertAs<DType::kBF16>(row, n, out);
  if (type == DType::kF32) return ConvertAs<DType::kF32>(row, n, out);
  alignas(64) float buffer[kChunk];
  x86_avx2::LoadQuantisedRow(type, row, n, buffer);
  ConvertAs<DType::kF32>(reinterpret_cast<const std::byte*>(buffer), n, out);
}

void PackRows(DType type, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
              std::byte* panel) {
  alignas(64) uint32_t buffer[kPanelRows][kChunkWords];
  if (count < kPanelRows) __builtin_memset(buffer, 0, sizeof buffer);
  const DTypeTraits& traits = Traits(type);
  auto* out = reinterpret_cast<uint32_t*>(panel);
  for (int64_t i = 0; i < k; i += kChunk) {
    const int64_t n = k - i < kChunk ? k - i : kChunk;
    const std::byte* at = rows + i / traits.block_elements * traits.block_bytes;
    for (int64_t r = 0; r < count; ++r) Convert(type, at + r * row_bytes, n, buffer[r]);
    for (int64_t w = 0; w < PaddedWords(n); w += kLanes, out += kLanes * kPanelRows) {
      TransposeTile(&buffer[0][w], kChunkWords, out, kPanelRows);
      TransposeTile(&buffer[kLanes][w], kChunkWords, out + kLanes, kPanelRows);
    }
  }
}

// Two rows of values become one row of words: column c in lane c, the earlier k in the low half.
template <DType kType>
void PackColumnsAs(const std::byte* rows, int64_t row_bytes, int64_t first, int64_t count,
                   int64_t k, std::byte* panel) {
  alignas(64) int16_t order[2 * kLanes];
  for (int16_t i = 0; i < 2 * kLanes; ++i) order[i] = static_cast<int16_t>(i / 2 + i % 2 * kLanes);
  const __m512i interleave = _mm512_load_si512(order);
  auto* out = reinterpret_cast<uint32_t*>(panel);
  for (int64_t i = 0; i < k; i += 2, out += kPanelRows) {
    const std::byte* even = rows + i * row_bytes;
    const std::byte* odd = even + row_bytes;
    for (int64_t c = 0; c < kPanelRows; c += kLanes) {
      const int lanes = TakeOrNone(count - c);
      const Vec low = lanes > 0 ? LoadAs<kType>(even, first + c, lanes) : Zero();
      const Vec high = lanes > 0 && i + 1 < k ? LoadAs<kType>(odd, first + c, lanes) : Zero();
      _mm512_storeu_si512(out + c, _mm512_permutexvar_epi16(interleave, ToBf16(low, high)));
    }
  }
}

void PackColumns(DType type, const std::byte* rows, int64_t row_bytes, int64_t first, int64_t count,
                 int64_t k, std::byte* panel) {
  switch (type) {
    case DType::kF32:
      return PackColumnsAs<DType::kF32>(rows, row_bytes, first, count, k, panel);
    case DType::kF16:
      return PackColumnsAs<DType::kF16>(rows, row_bytes, first, count, k, panel);
    case DType::kBF16:
      return PackColumnsAs<DType::kBF16>(rows, row_bytes, first, count, k, panel);
    default:
      return PackColumnsAs<DType::kQ8_0>(rows, row_bytes, first, count, k, panel);
  }
}

void PackTokens(const float* x, int64_t stride, int64_t tokens, int64_t k, std::byte* strip) {
  alignas(64) uint32_t buffer[kLanes][kChunkWords];
  std::memset(buffer[tokens], 0, static_cast<size_t>(kLanes - tokens) * sizeof buffer[0]);
  auto* out = reinterpret_cast<uint32_t*>(strip);
  for (int64_t i = 0; i < k; i += kChunk) {
    const int64_t n = k - i < kChunk ? k - i : kChunk;
    for (int64_t t = 0; t < tokens; ++t) {
      ConvertAs<DType::kF32>(reinterpret_cast<const std::byte*>(x + t * stride + i), n, buffer[t]);
    }
    for (int64_t w = 0; w < PaddedWords(n); w += kLanes, out += kLanes * kStrip) {
      TransposeTile(&buffer[0][w], kChunkWords, out, kStrip);
    }
  }
}

// 2^x for x <= 0, to 1e-4 of itself: a third of what the bf16 that it becomes rounds away on
// average. The cubic interpolates 2^f / 2^x at Chebyshev nodes of [0, 1); scalef takes the whole
// part of x by itself.
MCV_INLINE Vec ShortExp2(Vec x) {
  const Vec f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  Vec p = Set(0.0789672570f);
  p = Fma(p, f, Set(0.2246931558f));
  p = Fma(p, f, Set(0.6963247711f));
  p = Fma(p, f, Set(0.9999002882f));
  return _mm512_scalef_ps(p, x);
}

// The weights of one token as words of two, zeros up to a whole vector of them; returns their sum.
MCV_INLINE float WeighRow(const float* scores, int64_t seen, int64_t keys, float factor, float max,
                          uint32_t* words) {
  const Vec scale = Set(factor), offset = Set(-factor * max);
  Vec total = Zero();
  int64_t i = 0;
  for (; i + 2 * kLanes <= seen; i += 2 * kLanes) {
    const Vec low = ShortExp2(Fma(Load(scores + i), scale, offset));
    const Vec high = ShortExp2(Fma(Load(scores + i + kLanes), scale, offset));
    total = Add(total, Add(low, high));
    _mm512_store_si512(words + i / 2, ToBf16(low, high));
  }
  for (; i < keys; i += 2 * kLanes) {
    const int first = TakeOrNone(seen - i), second = TakeOrNone(seen - i - kLanes);
    const Vec low = KeepN(ShortExp2(Fma(LoadN(scores + i, first), scale, offset)), first);
    const Vec high =
        KeepN(ShortExp2(Fma(LoadN(scores + i + kLanes, second), scale, offset)), second);
    total = Add(total, Add(low, high));
    _mm512_store_si512(words + i / 2, ToBf16(low, high));
  }
  return SumLanes(total);
}

MCV_INLINE float LargestOf(const float* x, int64_t n, float at_least) {
  Vec high[4] = {Set(at_least), Set(at_least), Set(at_least), Set(at_least)};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    MCV_UNROLL
    for (int v = 0; v < 4; ++v) high[v] = Max(high[v], Load(x + i + v * kLanes));
  }
  for (; i < n; i += kLanes) high[0] = Max(high[0], LoadN(x + i, Take(n - i), at_least));
  return MaxLane(Max(Max(high[0], high[1]), Max(high[2], high[3])));
}

void Weigh(const PanelKernel::WeighArgs& args) {
  constexpr float kLog2E = 1.44269504f;
  constexpr int64_t kMostWords = PanelKernel::WeighArgs::kMostKeys / 2;
  alignas(64) uint32_t buffer[kLanes][kMostWords];  // rows behind the last token: nobody reads them
  const float factor = args.scale * kLog2E;
  for (int64_t t = 0; t < args.tokens; ++t) {
    const float* scores = args.scores + t * args.stride;
    const float before = args.max[t];
    const float max = LargestOf(scores, args.seen[t], before);
    args.rescale[t] = 1.0f;
    if (max == -__builtin_inff()) {  // sees nothing yet
      std::memset(buffer[t], 0, sizeof buffer[t]);
      continue;
    }
    if (max != before) {
      args.rescale[t] = __builtin_isinf(before) ? 0.0f : __builtin_exp2f(factor * (before - max));
    }
    const float sum = WeighRow(scores, args.seen[t], args.keys, factor, max, buffer[t]);
    args.sum[t] = args.sum[t] * args.rescale[t] + sum;
    args.max[t] = max;
  }
  auto* out = reinterpret_cast<uint32_t*>(args.strip);
  for (int64_t w = 0; w < PaddedWords(args.keys); w += kLanes, out += kLanes * kStrip) {
    TransposeTile(&buffer[0][w], kMostWords, out, kStrip);
  }
}

// One instruction as text: sums += pairs of w times the token's pair. GCC 12 copies accumulators
// around the intrinsic and then spills them; tied here, all 24 stay in registers.
MCV_INLINE void Dot(__m512& sums, __m512i w, __m512i token) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(w), "v"(token));
}

template <int kTokens, int kVectors>
void Tile(const PanelKernel::TileArgs& args) {
  __m512 sums[kTokens][kVectors];
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    MCV_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[t][v] = args.accumulate ? Load(args.c + t * args.ldc + v * kLanes) : Zero();
    }
  }
  const auto* panel = reinterpret_cast<const uint32_t*>(args.panel);
  const auto* strip = reinterpret_cast<const uint32_t*>(args.strip);
  for (int64_t k = 0; k < args.k; k += 2, panel += kPanelRows, strip += kStrip) {
    __m512i w[kVectors];
    MCV_UNROLL
    for (int v = 0; v < kVectors; ++v) w[v] = _mm512_load_si512(panel + v * kLanes);
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const __m512i token = BroadcastOnce(strip + t);
      MCV_UNROLL
      for (int v = 0; v < kVectors; ++v) Dot(sums[t][v], w[v], token);
    }
  }
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    MCV_UNROLL
    for (int v = 0; v < kVectors; ++v) Store(args.c + t * args.ldc + v * kLanes, sums[t][v]);
  }
}

template <int kTokens>
void RunTile(const PanelKernel::TileArgs& args) {
  if constexpr (kTokens > 1) {
    if (args.tokens < kTokens) return RunTile<kTokens - 1>(args);
  }
  if (args.rows <= kLanes) return Tile<kTokens, 1>(args);
  Tile<kTokens, 2>(args);
}

}  // namespace
}  // namespace mcv::x86_avx512

MCV_REGION_END

namespace mcv::x86_avx512 {

const PanelKernel& Bf16Panel() {
  static constexpr PanelKernel kernel = {
      .panel_rows = kPanelRows,
      .strip_tokens = kStrip,
      .k_block = 4608,  // a panel of 295 KB, and half of it for K = 8k: well inside the L2
      .panel_bytes = PanelBytes,
      .strip_bytes = StripBytes,
      .pack_rows = PackRows,
      .pack_columns = PackColumns,
      .pack_tokens = PackTokens,
      .tile = RunTile<kStrip>,
      .weigh = Weigh,
  };
  return kernel;
}

}  // namespace mcv::x86_avx512
