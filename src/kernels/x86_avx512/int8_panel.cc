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
  const Vec inverse = Set(largest > 0 ? 127.0f / largest : 0.0f);
  for (int64_t i = 0; i < kSuperBlock; i += kLanes) {
    StoreBiased(out + i, Mul(Load(values + i), inverse));
  }
  return largest / 127.0f;
}

// Eight steps and minima of a Q4_K or Q5_K block: value = step * q - minimum.
struct StepsAndMinima {
  alignas(32) float step[8];
  alignas(32) float minimum[8];
};

MCV_INLINE __m256 BytesToFloats(uint64_t bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes))));
}

MCV_INLINE void LoadSteps(const std::byte* block, StepsAndMinima* out) {
  uint32_t a, b, c;
  std::memcpy(&a, block + 4, 4);
  std::memcpy(&b, block + 8, 4);
  std::memcpy(&c, block + 12, 4);
  const uint64_t scales =
      (a & 0x3f3f3f3f) | static_cast<uint64_t>((c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030)) << 32;
  const uint64_t minima =
      (b & 0x3f3f3f3f) | static_cast<uint64_t>(((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030))
                             << 32;
  uint32_t halves;
  std::memcpy(&halves, block, 4);
  const __m128 d = _mm_cvtph_ps(_mm_cvtsi32_si128(static_cast<int>(halves)));
  const __m256 step = _mm256_broadcastss_ps(d);
  const __m256 minimum = _mm256_broadcastss_ps(_mm_movehdup_ps(d));
  _mm256_store_ps(out->step, _mm256_mul_ps(step, BytesToFloats(scales)));
  _mm256_store_ps(out->minimum, _mm256_mul_ps(minimum, BytesToFloats(minima)));
}

// The largest |step * q - minimum| that the blocks can hold, q in 0..top.
MCV_INLINE float LargestOf(const StepsAndMinima& s, float top) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256 minimum = _mm256_load_ps(s.minimum);
  const __m256 high =
      _mm256_sub_ps(_mm256_mul_ps(_mm256_load_ps(s.step), _mm256_set1_ps(top)), minimum);
  const __m256 largest =
      _mm256_max_ps(_mm256_andnot_ps(sign, high), _mm256_andnot_ps(sign, minimum));
  return MaxLane(_mm512_zextps256_ps512(largest));
}

MCV_INLINE __m256i TwiceFrom(const uint8_t* p) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}

// Q4_K has 16 values per block of 32: they are rounded once into a table, and the nibbles look
// them up, 64 at a time.
float RequantizeQ4K(const std::byte* block, uint8_t* out) {
  StepsAndMinima s;
  LoadSteps(block, &s);
  const float largest = LargestOf(s, 15.0f);
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  const Vec index = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  alignas(16) uint8_t tables[8][16];
  MCV_UNROLL
  for (int b = 0; b < 8; ++b) {
    StoreBiased(tables[b], Fma(index, Set(s.step[b] * inverse), Set(-s.minimum[b] * inverse)));
  }
  __m512i quants[4];  // blocks [0 2], [1 3], [4 6], [5 7]
  UnpackNibbles<false>(block, quants);
  constexpr int kFirst[4] = {0, 1, 4, 5};
  MCV_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int b = kFirst[i];
    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(TwiceFrom(tables[b])),
                                            TwiceFrom(tables[b + 2]), 1);
    const __m512i values = _mm512_shuffle_epi8(both, quants[i]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + 32 * b), _mm512_castsi512_si256(values));
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + 32 * (b + 2)),
                       _mm512_extracti64x4_epi64(values, 1));
  }
  return largest / 127.0f;
}

float RequantizeQ5K(const std::byte* block, uint8_t* out) {
  StepsAndMinima s;
  LoadSteps(block, &s);
  const float largest = LargestOf(s, 31.0f);
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  __m512i quants[4];
  UnpackNibbles<true>(block, quants);
  constexpr int kFirst[4] = {0, 1, 4, 5};
  MCV_UNROLL
  for (int i = 0; i < 4; ++i) {
    alignas(64) uint8_t bytes[64];
    _mm512_store_si512(bytes, quants[i]);
    MCV_UNROLL
    for (int part = 0; part < 4; ++part) {
      const int b = kFirst[i] + (part & 2);
      const __m128i q = _mm_load_si128(reinterpret_cast<const __m128i*>(bytes + 16 * part));
      StoreBiased(out + 32 * b + 16 * (part & 1),
                  Fma(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(q)), Set(s.step[b] * inverse),
                      Set(-s.minimum[b] * inverse)));
    }
  }
  return largest / 127.0f;
}

// value = d * scale * (q - 32), 16 scales. In 16-bit integers: (q - 32) * round(scale * 1016 / the
// largest scale) is at most 127 * 256, and the rounded high byte is the result.
float RequantizeQ6K(const std::byte* block, uint8_t* out) {
  const __m128i scales = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 192));
  uint16_t half;
  std::memcpy(&half, block + 208, sizeof half);
  const float d = _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
  const Vec wide = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales));
  const float largest = MaxLane(Abs(wide));
  const Vec inverse = Set(largest > 0 ? 1016.0f / largest : 0.0f);
  alignas(32) int16_t factors[16];
  _mm256_store_si256(reinterpret_cast<__m256i*>(factors),
                     _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(Mul(wide, inverse))));
  __m512i quants[4];
  UnpackSixBits(block, quants);
  alignas(64) uint8_t bytes[kSuperBlock];
  MCV_UNROLL
  for (int i = 0; i < 4; ++i) _mm512_store_si512(bytes + 64 * i, quants[i]);
  MCV_UNROLL
  for (int b = 0; b < 16; b += 2) {
    const __m512i q =
        _mm512_cvtepu8_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(bytes + 16 * b)));
    const __m512i factor = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set1_epi16(factors[b])),
                                              _mm256_set1_epi16(factors[b + 1]), 1);
    const __m512i product = _mm512_mullo_epi16(_mm512_sub_epi16(q, Words(32)), factor);
    const __m512i rounded = _mm512_srai_epi16(_mm512_adds_epi16(product, Words(128)), 8);
    const __m256i narrow = _mm512_cvtsepi16_epi8(rounded);
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + 16 * b),
                       _mm256_xor_si256(narrow, _mm256_set1_epi8(static_cast<char>(0x80))));
  }
  return d * largest * (256.0f / 1016.0f);
}

float Requantize(DType type, const std::byte* block, int64_t n, uint8_t* out) {
  switch (type) {
    case DType::kQ4_K:
      return RequantizeQ4K(block, out);
    case DType::kQ5_K:
      return RequantizeQ5K(block, out);
    case DType::kQ6_K:
      return RequantizeQ6K(block, out);
    default:
      return RequantizeAny(type, block, n, out);
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

void PackRows(DType type, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
              std::byte* panel) {
  alignas(64) uint32_t buffer[kPanelRows][kWords];
  if (count < kPanelRows) std::memset(buffer, 0, sizeof buffer);
  const DTypeTraits& traits = Traits(type);
  auto* out = reinterpret_cast<PanelBlock*>(panel);
  for (int64_t i = 0; i < k; i += kSuperBlock, ++out) {
    const int64_t n = k - i < kSuperBlock ? k - i : kSuperBlock;
    const std::byte* at = rows + i / traits.block_elements * traits.block_bytes;
    const int64_t block_bytes = kSuperBlock / traits.block_elements * traits.block_bytes;
    for (int64_t r = 0; r < kPanelRows; ++r) {
      if (r < count) PrefetchBlock(at + r * row_bytes + block_bytes, block_bytes);
      out->scales[r] =
          r < count ? Requantize(type, at + r * row_bytes, n, reinterpret_cast<uint8_t*>(buffer[r]))
                    : 0.0f;
    }
    for (int64_t w = 0; w < kWords; w += kLanes) {
      TransposeTile(&buffer[0][w], kWords, &out->words[w][0], kPanelRows);
      TransposeTile(&buffer[kLanes][w], kWords, &out->words[w][kLanes], kPanelRows);
    }
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
      const Vec inverse = Set(largest > 0 ? 127.0f / largest : 0.0f);
      __m512i sum = _mm512_setzero_si512();
      for (int64_t j = 0; j < kSuperBlock; j += kLanes) {
        const int lanes = j < n ? Take(n - j) : 0;
        const __m512i q = _mm512_cvtps_epi32(Mul(LoadN(row + j, lanes), inverse));
        sum = _mm512_add_epi32(sum, q);
        _mm_store_si128(reinterpret_cast<__m128i*>(&buffer[t][j]), _mm512_cvtepi32_epi8(q));
      }
      scales[t] = largest / 127.0f;
      starts[t] = -128 * _mm512_reduce_add_epi32(sum);
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
MCV_INLINE void DotInto(__m512i& sums, __m512i weights, const uint32_t* token) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sums) : "v"(weights), "m"(*token));
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
    int64_t words = kWords;
    asm("" : "+r"(words));  // hides the trip count: knowing it, GCC 12 unrolls and spills the sums
    for (int64_t w = 0; w < words; ++w, weights += kPanelRows, tokens += kStrip) {
      __m512i four[kVectors];
      MCV_UNROLL
      for (int v = 0; v < kVectors; ++v) four[v] = _mm512_load_si512(weights + v * kLanes);
      MCV_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        MCV_UNROLL
        for (int v = 0; v < kVectors; ++v) DotInto(sums[t][v], four[v], tokens + t);
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
