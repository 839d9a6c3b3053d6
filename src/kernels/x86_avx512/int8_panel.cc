// Many tokens times a weight by int8 dot products (vpdpbusd): quantised weights but Q8_0, and those
// and floats where asked for (Numerics::kInt8).
//
// Panels and strips hold int8 with one fp32 scale per (row, 256 elements) and (token, 256): one
// scale step per 256 instead of the file's one per 16 or 32 keeps the multiplier busy. Rounding a
// Q4_K weight again like that adds 0.7 % rms to the 7.7 % that Q4_K itself is off by. The
// instruction wants unsigned times signed bytes, so weights are stored + 128 and every sum starts
// at -128 times the sum of the token's quants.
//
// Panel, per 256: [64 groups of 4 k][32 rows] words, then 32 scales. Strip, per 256: [64][12
// tokens] words, then 16 scales and 16 starting values.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/generic/region.h"
#include "kernels/x86_avx2/leaf.h"
#include "kernels/x86_avx512/leaf.h"

#define MCV_TARGET_NS x86_avx512

MCV_REGION_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,bmi,bmi2")

// clang-format off
#include "kernels/x86_avx512/vec.h"
#include "kernels/generic/int8_token-inl.h"
#include "kernels/x86_avx512/k_unpack-inl.h"
// clang-format on

namespace mcv::x86_avx512 {
namespace {

constexpr int64_t kPanelRows = 32;
constexpr int64_t kStrip = 12;
constexpr int64_t kWords = kSuperBlock / 4;

struct PanelBlock {
  uint32_t words[kWords][kPanelRows];
  float scales[kPanelRows];
};
struct StripBlock {
  uint32_t words[kWords][kStrip];
  float scales[16];
  int32_t starts[16];
};
static_assert(sizeof(PanelBlock) % 64 == 0 && sizeof(StripBlock) % 64 == 0);

int64_t Blocks(int64_t k) { return (k + kSuperBlock - 1) / kSuperBlock; }
int64_t PanelBytes(int64_t k) { return Blocks(k) * static_cast<int64_t>(sizeof(PanelBlock)); }
int64_t StripBytes(int64_t k) { return Blocks(k) * static_cast<int64_t>(sizeof(StripBlock)); }

// 16 bytes of value + 128 from values already divided by the scale.
MCV_INLINE void StoreBiased(uint8_t* out, Vec scaled) {
  const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(scaled));
  _mm_store_si128(reinterpret_cast<__m128i*>(out),
                  _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(0x80))));
}

// Any type: dequantised, then rounded. n <= 256; the rest is zero. Returns the scale.
float RequantizeAny(DType type, const std::byte* block, int64_t n, uint8_t* out) {
  alignas(64) float values[kSuperBlock];
  std::memset(values, 0, sizeof values);
  x86_avx2::LoadRowAsFloats(type, block, n, values);
  const float largest = LargestMagnitude(values, kSuperBlock);
  const Vec inverse = Set(InverseScale(largest, 127.0f));
  for (int64_t i = 0; i < kSuperBlock; i += kLanes) {
    StoreBiased(out + i, Mul(Load(values + i), inverse));
  }
  return largest / 127.0f;
}

// The K types are rounded again in 16-bit whole numbers: 256 times the result, rounded by its high
// byte, is an integer combination of the file's quants and these factors of a super-block's blocks.
// They come first and for all rows of a panel: header, largest value and division wait for each
// other, and the chains of 32 rows hide in each other's.
struct RoundingFactors {
  alignas(32) int16_t words[16];
};
constexpr float kHighByte = 256.0f;

MCV_INLINE __m256 BytesToFloats(uint64_t bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes))));
}

MCV_INLINE float MaxOf8(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

// Q4_K and Q5_K, value = step * q - minimum, q in 0..kTop: 256 times the result is q * words[b] +
// words[8 + b], where the second holds the bias and the half that rounds. No sum leaves 16 bits:
// the result is within 127.03 of the bias.
template <int kTop>
MCV_INLINE float NibbleFactors(const std::byte* block, RoundingFactors* factors) {
  uint32_t a, b, c, halves;
  std::memcpy(&halves, block, 4);
  std::memcpy(&a, block + 4, 4);
  std::memcpy(&b, block + 8, 4);
  std::memcpy(&c, block + 12, 4);
  const uint64_t scales =
      (a & 0x3f3f3f3f) | static_cast<uint64_t>((c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030)) << 32;
  const uint64_t minima =
      (b & 0x3f3f3f3f) | static_cast<uint64_t>(((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030))
                             << 32;
  const __m128 d = _mm_cvtph_ps(_mm_cvtsi32_si128(static_cast<int>(halves)));
  const __m256 step = _mm256_mul_ps(_mm256_broadcastss_ps(d), BytesToFloats(scales));
  const __m256 minimum =
      _mm256_mul_ps(_mm256_broadcastss_ps(_mm_movehdup_ps(d)), BytesToFloats(minima));
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256 high = _mm256_sub_ps(_mm256_mul_ps(step, _mm256_set1_ps(kTop)), minimum);
  const float largest =
      MaxOf8(_mm256_max_ps(_mm256_andnot_ps(sign, high), _mm256_andnot_ps(sign, minimum)));
  const __m256 inverse = _mm256_set1_ps(largest > 0 ? 127.0f * kHighByte / largest : 0.0f);
  const __m256i times = _mm256_cvtps_epi32(_mm256_mul_ps(step, inverse));
  const __m256i plus = _mm256_sub_epi32(_mm256_set1_epi32(0x8080),
                                        _mm256_cvtps_epi32(_mm256_mul_ps(minimum, inverse)));
  _mm256_store_si256(
      reinterpret_cast<__m256i*>(factors->words),
      _mm512_cvtepi32_epi16(_mm512_inserti64x4(_mm512_castsi256_si512(times), plus, 1)));
  return largest / 127.0f;
}

// Q6_K, value = d * scale * (q - 32): 256 times the result is (q - 32) * words[b], at most 127 *
// 256.
MCV_INLINE float SixBitFactors(const std::byte* block, RoundingFactors* factors) {
  constexpr float kTop = 127.0f * kHighByte / 32.0f;
  const __m128i scales = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 192));
  uint16_t half;
  std::memcpy(&half, block + 208, sizeof half);
  const float d = _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
  const Vec wide = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales));
  const float largest = MaxLane(Abs(wide));
  const Vec inverse = Set(largest > 0 ? kTop / largest : 0.0f);
  _mm256_store_si256(reinterpret_cast<__m256i*>(factors->words),
                     _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(Mul(wide, inverse))));
  return d * largest * (kHighByte / kTop);
}

template <DType kType>
MCV_INLINE float FactorsOf(const std::byte* block, RoundingFactors* factors) {
  if constexpr (kType == DType::kQ6_K) return SixBitFactors(block, factors);
  return NibbleFactors < kType == DType::kQ5_K ? 31 : 15 > (block, factors);
}

// The high bytes of both: those of even, and next to each that of odd.
MCV_INLINE __m512i JoinHighBytes(__m512i even, __m512i odd) {
  return _mm512_ternarylogic_epi32(_mm512_srli_epi16(even, 8), odd, Words(0xff00), 0xf8);
}

// Word i: first for the first half, second for the rest.
MCV_INLINE __m512i HalvesOf(int first, int second) {
  return _mm512_inserti64x4(Words(first), _mm256_set1_epi16(static_cast<int16_t>(second)), 1);
}

// Q4_K and Q5_K.
template <bool kFiveBits>
MCV_INLINE void RoundNibbles(const std::byte* block, const RoundingFactors& factors, uint8_t* out) {
  const __m512i words =
      _mm512_castsi256_si512(_mm256_load_si256(reinterpret_cast<const __m256i*>(factors.words)));
  __m512i quants[4];  // blocks [0 2], [1 3], [4 6], [5 7]
  UnpackNibbles<kFiveBits>(block, quants);
  MCV_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int b = i / 2 * 4 + i % 2;
    const __m512i times = _mm512_permutexvar_epi16(HalvesOf(b, b + 2), words);
    const __m512i plus = _mm512_permutexvar_epi16(HalvesOf(b + 8, b + 10), words);
    const __m512i even = _mm512_and_si512(quants[i], Words(0x00ff));
    const __m512i odd = _mm512_srli_epi16(quants[i], 8);
    quants[i] = JoinHighBytes(_mm512_add_epi16(_mm512_mullo_epi16(even, times), plus),
                              _mm512_add_epi16(_mm512_mullo_epi16(odd, times), plus));
  }
  MCV_UNROLL
  for (int i = 0; i < 4; i += 2) {
    uint8_t* half = out + 64 * i;
    _mm512_store_si512(half,
                       _mm512_inserti64x4(quants[i], _mm512_castsi512_si256(quants[i + 1]), 1));
    _mm512_store_si512(half + 64, _mm512_shuffle_i64x2(quants[i], quants[i + 1], 0xee));
  }
}

MCV_INLINE void RoundSixBits(const std::byte* block, const RoundingFactors& factors, uint8_t* out) {
  const __m512i words =
      _mm512_castsi256_si512(_mm256_load_si256(reinterpret_cast<const __m256i*>(factors.words)));
  __m512i quants[4];
  UnpackSixBits(block, quants);
  MCV_UNROLL
  for (int i = 0; i < 4; ++i) {  // blocks 4i to 4i + 3, eight words each
    const __m512i block_of_word = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_set_m128i(_mm_set1_epi16(static_cast<int16_t>(4 * i + 1)),
                                                _mm_set1_epi16(static_cast<int16_t>(4 * i)))),
        _mm256_set_m128i(_mm_set1_epi16(static_cast<int16_t>(4 * i + 3)),
                         _mm_set1_epi16(static_cast<int16_t>(4 * i + 2))),
        1);
    const __m512i times = _mm512_permutexvar_epi16(block_of_word, words);
    const __m512i even = _mm512_sub_epi16(_mm512_and_si512(quants[i], Words(0x00ff)), Words(32));
    const __m512i odd = _mm512_sub_epi16(_mm512_srli_epi16(quants[i], 8), Words(32));
    const __m512i rounded =
        JoinHighBytes(_mm512_adds_epi16(_mm512_mullo_epi16(even, times), Words(128)),
                      _mm512_adds_epi16(_mm512_mullo_epi16(odd, times), Words(128)));
    _mm512_store_si512(out + 64 * i, _mm512_xor_si512(rounded, Bytes(0x80)));
  }
}

template <DType kType>
MCV_INLINE void RoundBlock(const std::byte* block, const RoundingFactors& factors, uint8_t* out) {
  if constexpr (kType == DType::kQ6_K) {
    RoundSixBits(block, factors, out);
  } else {
    RoundNibbles<kType == DType::kQ5_K>(block, factors, out);
  }
}

// The same rows' next block, wanted when the other rows have been worked on: 32 short streams are
// too many for the hardware to follow. (Past the last row this touches nothing: a prefetch cannot
// fault.)
MCV_INLINE void PrefetchBlock(const std::byte* block, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(block + i), _MM_HINT_T0);
  }
}

using PanelRows = uint32_t[kPanelRows][kWords];

void TransposeRows(const PanelRows& rows, PanelBlock* out) {
  for (int64_t w = 0; w < kWords; w += kLanes) {
    TransposeTile(&rows[0][w], kWords, &out->words[w][0], kPanelRows);
    TransposeTile(&rows[kLanes][w], kWords, &out->words[w][kLanes], kPanelRows);
  }
}

template <DType kType>
void PackKRows(const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
               PanelBlock* out) {
  constexpr int64_t kBytes =
      kType == DType::kQ6_K ? 210 : NibbleBlock<kType == DType::kQ5_K>::kBytes;
  alignas(64) PanelRows buffer;
  if (count < kPanelRows) std::memset(buffer, 0, sizeof buffer);
  RoundingFactors factors[kPanelRows];
  for (int64_t i = 0; i < k; i += kSuperBlock, rows += kBytes, ++out) {
    for (int64_t r = 0; r < kPanelRows; ++r) {
      out->scales[r] = r < count ? FactorsOf<kType>(rows + r * row_bytes, &factors[r]) : 0.0f;
    }
    for (int64_t r = 0; r < count; ++r) {
      PrefetchBlock(rows + r * row_bytes + kBytes, kBytes);
      RoundBlock<kType>(rows + r * row_bytes, factors[r], reinterpret_cast<uint8_t*>(buffer[r]));
    }
    TransposeRows(buffer, out);
  }
}

void PackAnyRows(DType type, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
                 PanelBlock* out) {
  alignas(64) PanelRows buffer;
  if (count < kPanelRows) std::memset(buffer, 0, sizeof buffer);
  const DTypeTraits& traits = Traits(type);
  const int64_t block_bytes = kSuperBlock / traits.block_elements * traits.block_bytes;
  for (int64_t i = 0; i < k; i += kSuperBlock, rows += block_bytes, ++out) {
    const int64_t n = k - i < kSuperBlock ? k - i : kSuperBlock;
    for (int64_t r = 0; r < kPanelRows; ++r) {
      if (r < count) PrefetchBlock(rows + r * row_bytes + block_bytes, block_bytes);
      out->scales[r] = r < count ? RequantizeAny(type, rows + r * row_bytes, n,
                                                 reinterpret_cast<uint8_t*>(buffer[r]))
                                 : 0.0f;
    }
    TransposeRows(buffer, out);
  }
}

void PackRows(DType type, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
              std::byte* panel) {
  auto* out = reinterpret_cast<PanelBlock*>(panel);
  switch (type) {
    case DType::kQ4_K:
      return PackKRows<DType::kQ4_K>(rows, row_bytes, count, k, out);
    case DType::kQ5_K:
      return PackKRows<DType::kQ5_K>(rows, row_bytes, count, k, out);
    case DType::kQ6_K:
      return PackKRows<DType::kQ6_K>(rows, row_bytes, count, k, out);
    default:
      return PackAnyRows(type, rows, row_bytes, count, k, out);
  }
}

void PackTokens(const float* x, int64_t stride, int64_t tokens, int64_t k, std::byte* strip) {
  alignas(64) int8_t buffer[kLanes][kSuperBlock];
  std::memset(buffer[tokens], 0, static_cast<size_t>(kLanes - tokens) * sizeof buffer[0]);
  auto* out = reinterpret_cast<StripBlock*>(strip);
  for (int64_t i = 0; i < k; i += kSuperBlock, ++out) {
    const int64_t n = k - i < kSuperBlock ? k - i : kSuperBlock;
    float scales[kStrip];
    int32_t starts[kStrip];
    for (int64_t t = 0; t < tokens; ++t) {
      const float* row = x + t * stride + i;
      const float largest = LargestMagnitude(row, n);
      const Vec inverse = Set(InverseScale(largest, 127.0f));
      __m512i sum = _mm512_setzero_si512();
      for (int64_t j = 0; j < kSuperBlock; j += kLanes) {
        const int lanes = j < n ? Take(n - j) : 0;
        const __m512i q = _mm512_cvtps_epi32(Mul(LoadN(row + j, lanes), inverse));
        sum = _mm512_add_epi32(sum, q);
        _mm_store_si128(reinterpret_cast<__m128i*>(&buffer[t][j]), _mm512_cvtepi32_epi8(q));
      }
      scales[t] = largest / 127.0f;
      // Without a sign: what is no number has a sum that wraps around (and a scale that is none).
      starts[t] = static_cast<int32_t>(-128u * static_cast<uint32_t>(_mm512_reduce_add_epi32(sum)));
    }
    for (int64_t w = 0; w < kWords; w += kLanes) {  // the last column spills into the scales
      TransposeTile(reinterpret_cast<const uint32_t*>(buffer) + w, kWords, &out->words[w][0],
                    kStrip);
    }
    std::memcpy(out->scales, scales, static_cast<size_t>(tokens) * sizeof(float));
    std::memcpy(out->starts, starts, static_cast<size_t>(tokens) * sizeof(int32_t));
  }
}

// One instruction as text: GCC 12 copies accumulators around the intrinsic and then spills them;
// tied here, all 24 stay in registers.
MCV_INLINE void DotInto(__m512i& sums, __m512i weights, __m512i token) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(weights), "v"(token));
}

template <int kTokens, int kVectors>
void Tile(const PanelKernel::TileArgs& args) {
  const auto* panel = reinterpret_cast<const PanelBlock*>(args.panel);
  const auto* strip = reinterpret_cast<const StripBlock*>(args.strip);
  const int64_t blocks = Blocks(args.k);
  for (int64_t b = 0; b < blocks; ++b, ++panel, ++strip) {
    __m512i sums[kTokens][kVectors];
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      MCV_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[t][v] = _mm512_set1_epi32(strip->starts[t]);
    }
    const uint32_t* weights = panel->words[0];
    const uint32_t* tokens = strip->words[0];
    const int64_t left = args.k - b * kSuperBlock;
    int64_t words = left < kSuperBlock ? (left + 3) / 4 : kWords;
    asm("" : "+r"(words));  // hides the trip count: knowing it, GCC 12 unrolls and spills the sums
    for (int64_t w = 0; w < words; ++w, weights += kPanelRows, tokens += kStrip) {
      __m512i four[kVectors];
      MCV_UNROLL
      for (int v = 0; v < kVectors; ++v) four[v] = _mm512_load_si512(weights + v * kLanes);
      MCV_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const __m512i token = BroadcastOnce(tokens + t);
        MCV_UNROLL
        for (int v = 0; v < kVectors; ++v) DotInto(sums[t][v], four[v], token);
      }
    }
    const bool add = args.accumulate || b > 0;
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      MCV_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        float* c = args.c + t * args.ldc + v * kLanes;
        const Vec scale = Mul(Load(panel->scales + v * kLanes), Set(strip->scales[t]));
        const Vec before = add ? Load(c) : Zero();
        Store(c, Fma(_mm512_cvtepi32_ps(sums[t][v]), scale, before));
      }
    }
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

const PanelKernel& Int8Panel() {
  static constexpr PanelKernel kernel = {
      .panel_rows = kPanelRows,
      .strip_tokens = kStrip,
      .k_block = 7168,  // a panel of 233 KB
      .panel_bytes = PanelBytes,
      .strip_bytes = StripBytes,
      .pack_rows = PackRows,
      .pack_columns = nullptr,
      .pack_tokens = PackTokens,
      .tile = RunTile<kStrip>,
  };
  return kernel;
}

}  // namespace mcv::x86_avx512
