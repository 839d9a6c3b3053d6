// A few tokens times Q4_K, Q5_K or Q6_K rows, read once and in place.
//
// A row times a token is the same number whatever kernel computes it (k_dot_test.cc): quants,
// integer scales and int8 tokens make an exact 32-bit total of a super-block, and the totals are
// added up in fp32 in their order, minima apart:
//   sum = fma(total, d * scale, sum), minima = fma(..., dmin * scale, minima), out = sum - minima.
// So a sequence's next token gets its result whoever else is decoded beside it.
//
// Up to three tokens wait for the memory, and the work per byte must be small: four rows at a time,
// a quarter of the piece from each other: four streams that the processor follows
// (docs/decisions/2026-11-26-decode-from-memory.md). Quants times int8 tokens go through vpdpbusd;
// each 32-bit lane then belongs to one block of the super-block. Two such vectors packed to 16 bits
// (no lane exceeds 32,004) are multiplied with the blocks' integer scales and added up by one
// vpmaddwd or vpdpwssd, and the lanes of four rows by one tree. What the types subtract (the
// minimum of a Q4_K block, the 32 of Q6_K) comes from sums of the token's quants, made once per
// token. For Q4_K the headers of four rows fill one vector and are unpacked together.
//
// From four tokens on the arithmetic is the limit, and sixteen rows go side by side
// (k_interleaved-inl.h).
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/generic/region.h"
#include "kernels/x86_avx512/leaf.h"

#define MCV_TARGET_NS x86_avx512

MCV_REGION_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,bmi,bmi2")

// clang-format off
#include "kernels/x86_avx512/vec.h"
#include "kernels/generic/int8_token-inl.h"
#include "kernels/generic/rows_apart-inl.h"
#include "kernels/x86_avx512/k_unpack-inl.h"
#include "kernels/x86_avx2/tiles-inl.h"
#include "kernels/x86_avx512/k_interleaved-inl.h"
// clang-format on

namespace mcv::x86_avx512 {
namespace {

constexpr int kFour = 4;  // rows whose headers fill one vector, and whose totals one of 128 bits

MCV_INLINE __m512i Dot(__m512i weights, const int8_t* token) {
  return _mm512_dpbusd_epi32(_mm512_setzero_si512(), weights, _mm512_load_si512(token));
}

// Sum over the super-block of scale * (quant dot token), by lanes. Scales are 16-bit words that
// match what packing puts where.
MCV_INLINE __m512i ScaledDots(const __m512i (&weights)[4], __m512i scales01, __m512i scales23,
                              const int8_t* token) {
  const __m512i dots01 = _mm512_packs_epi32(Dot(weights[0], token), Dot(weights[1], token + 64));
  const __m512i dots23 =
      _mm512_packs_epi32(Dot(weights[2], token + 128), Dot(weights[3], token + 192));
  return _mm512_dpwssd_epi32(_mm512_madd_epi16(dots01, scales01), dots23, scales23);
}

template <int kTokens>
MCV_INLINE void FindTokens(const DotKernel::Args& args, int64_t first,
                           const TokenBlock* (&tokens)[kTokens]) {
  for (int t = 0; t < kTokens; ++t) {
    tokens[t] = reinterpret_cast<const TokenBlock*>(args.tokens + (first + t) * args.token_bytes);
  }
}

MCV_INLINE __m256i FoldHalves(__m512i v) {
  return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}

// The totals of four rows' lanes, in two halves that are still to be added.
MCV_INLINE __m256i FourTotals(const __m512i (&rows)[kFour]) {
  const __m512i row01 = _mm512_add_epi32(_mm512_unpacklo_epi32(rows[0], rows[1]),
                                         _mm512_unpackhi_epi32(rows[0], rows[1]));
  const __m512i row23 = _mm512_add_epi32(_mm512_unpacklo_epi32(rows[2], rows[3]),
                                         _mm512_unpackhi_epi32(rows[2], rows[3]));
  return FoldHalves(
      _mm512_add_epi32(_mm512_unpacklo_epi64(row01, row23), _mm512_unpackhi_epi64(row01, row23)));
}

template <int kRows>
MCV_INLINE void StoreRows(const DotKernel::Args& args, int64_t token, int64_t row, int64_t apart,
                          const float (&sums)[kFour]) {
  float* out = args.out + token * args.out_stride + row;
  for (int r = 0; r < kRows; ++r) out[r * apart] = sums[r];
}

// --- Q4_K and Q5_K.

MCV_INLINE __m128i LoadHeader(const std::byte* block) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(block));
}

// 16 bytes that spread byte i and byte i + 1 to four 16-bit words each.
MCV_INLINE __m128i SpreadPair(char i) {
  const char j = static_cast<char>(i + 1);
  return _mm_setr_epi8(i, -1, i, -1, i, -1, i, -1, j, -1, j, -1, j, -1, j, -1);
}

// Words of (scale i x 4, scale i + 1 x 4) in lanes 0 and 1, of the next two in lanes 2 and 3: where
// packing puts the dots of those blocks.
MCV_INLINE __m512i SpreadScales(char i) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_broadcastsi128_si256(SpreadPair(i))),
                            _mm256_broadcastsi128_si256(SpreadPair(static_cast<char>(i + 2))), 1);
}

// What the headers of four rows say.
struct FourHeaders {
  __m512i bytes;    // per 128-bit lane (row): eight scales, eight minima
  __m512i minima;   // lane i: minima 2i and 2i + 1 as words, of row 0, of row 1, ...
  __m256 d_then_m;  // d of the four rows, then dmin of them
};

// Words of minima (2 i, 2 i + 1) in lane i, of bytes that lanes 0 and 1, and 2 and 3, have alike.
MCV_INLINE __m512i SpreadMinima() {
  const __m128i low = _mm_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1);
  const __m128i high = _mm_setr_epi8(2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15, -1);
  return _mm512_broadcast_i64x4(_mm256_set_m128i(high, low));
}

// Header words [d dmin | a | b | c]: scales 0-3 = a & 63, scales 4-7 = (c & 15) | top two bits of
// a, minima 0-3 = b & 63, minima 4-7 = (c >> 4) | top two bits of b.
MCV_INLINE FourHeaders UnpackHeaders(const std::byte* const (&at)[kFour]) {
  __m512i headers = _mm512_castsi128_si512(LoadHeader(at[0]));
  headers = _mm512_inserti32x4(headers, LoadHeader(at[1]), 1);
  headers = _mm512_inserti32x4(headers, LoadHeader(at[2]), 2);
  headers = _mm512_inserti32x4(headers, LoadHeader(at[3]), 3);
  const __m512i shift = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0, 0, 4));
  const __m512i low_mask =
      _mm512_broadcast_i32x4(_mm_setr_epi32(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f));
  const __m512i top_mask = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x30303030, 0, 0x30303030));
  // [a c b c] and [a a b b]: the parts that stay low, and those whose top bits move down.
  const __m512i low = _mm512_srlv_epi32(_mm512_shuffle_epi32(headers, _MM_PERM_DCDB), shift);
  const __m512i top = _mm512_srli_epi32(_mm512_shuffle_epi32(headers, _MM_PERM_CCBB), 2);
  const __m512i bytes =
      _mm512_ternarylogic_epi32(_mm512_and_si512(low, low_mask), top, top_mask, 0xf8);
  const __m512i minima_of_rows =
      _mm512_setr_epi32(2, 6, 10, 14, 2, 6, 10, 14, 3, 7, 11, 15, 3, 7, 11, 15);
  const __m512i halves = _mm512_permutexvar_epi16(
      _mm512_castsi128_si512(_mm_setr_epi16(0, 8, 16, 24, 1, 9, 17, 25)), headers);
  return {bytes,
          _mm512_shuffle_epi8(_mm512_permutexvar_epi32(minima_of_rows, bytes), SpreadMinima()),
          _mm256_cvtph_ps(_mm512_castsi512_si128(halves))};
}

// kRows rows from `row` on, `apart` from each other, times kTokens tokens.
template <bool kFiveBits, int kRows, int kTokens>
void NibbleRows(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t first_token) {
  constexpr int kBytes = NibbleBlock<kFiveBits>::kBytes;
  const __m512i spread01 = SpreadScales(0);
  const __m512i spread23 = SpreadScales(4);
  const __m512i pair_of_lane = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  __m256 sums[kTokens];  // of the four rows, then their minima
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm256_setzero_ps();
  const TokenBlock* tokens[kTokens];
  FindTokens(args, first_token, tokens);
  const std::byte* block = args.weights + row * args.row_bytes;
  for (int64_t b = 0; b < args.k / kSuperBlock; ++b, block += kBytes) {
    const std::byte* at[kFour];
    MCV_UNROLL
    for (int r = 0; r < kFour; ++r) {  // of fewer rows the last one again
      at[r] = block + (r < kRows ? r : kRows - 1) * apart * args.row_bytes;
      if (r < kRows) PrefetchAhead(at[r], kBytes);
    }
    const FourHeaders headers = UnpackHeaders(at);
    __m512i dots[kTokens][kFour];
    MCV_UNROLL
    for (int r = 0; r < kFour; ++r) {
      if (r >= kRows) {
        for (int t = 0; t < kTokens; ++t) dots[t][r] = _mm512_setzero_si512();
        continue;
      }
      __m512i weights[4];
      UnpackNibbles<kFiveBits>(at[r], weights);
      const __m512i lane = _mm512_permutexvar_epi64(
          _mm512_setr_epi64(2 * r, 2 * r + 1, 2 * r, 2 * r + 1, 2 * r, 2 * r + 1, 2 * r, 2 * r + 1),
          headers.bytes);
      const __m512i scales01 = _mm512_shuffle_epi8(lane, spread01);
      const __m512i scales23 = _mm512_shuffle_epi8(lane, spread23);
      MCV_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        dots[t][r] = ScaledDots(weights, scales01, scales23, tokens[t][b].q);
      }
    }
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const TokenBlock& token = tokens[t][b];
      const __m512i token_sums = _mm512_permutexvar_epi32(
          pair_of_lane,
          _mm512_castsi128_si512(_mm_load_si128(reinterpret_cast<const __m128i*>(token.sums32))));
      const __m256i totals = FourTotals(dots[t]);
      const __m256i minima = FoldHalves(_mm512_madd_epi16(headers.minima, token_sums));
      const __m256i both = _mm256_add_epi32(_mm256_permute2x128_si256(totals, minima, 0x20),
                                            _mm256_permute2x128_si256(totals, minima, 0x31));
      sums[t] =
          _mm256_fmadd_ps(_mm256_cvtepi32_ps(both),
                          _mm256_mul_ps(headers.d_then_m, _mm256_set1_ps(token.scale)), sums[t]);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    alignas(16) float out[kFour];
    _mm_store_ps(out,
                 _mm_sub_ps(_mm256_castps256_ps128(sums[t]), _mm256_extractf128_ps(sums[t], 1)));
    StoreRows<kRows>(args, first_token + t, row, apart, out);
  }
}

// --- Q6_K.

template <int kRows, int kTokens>
void SixBitRows(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t first_token) {
  constexpr int kBytes = 210;
  // Lane j of the packed dots holds blocks j (4 words) and j + 4 (4 words), then j + 8 and j + 12.
  alignas(64) int16_t order[2][32];
  for (int16_t i = 0; i < 32; ++i) {
    order[0][i] = static_cast<int16_t>(i / 8 + (i % 8 >= 4 ? 4 : 0));
    order[1][i] = static_cast<int16_t>(order[0][i] + 8);
  }
  const __m512i order01 = _mm512_load_si512(order[0]);
  const __m512i order23 = _mm512_load_si512(order[1]);
  __m128 sums[kTokens];  // of the four rows
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm_setzero_ps();
  const TokenBlock* tokens[kTokens];
  FindTokens(args, first_token, tokens);
  const std::byte* block = args.weights + row * args.row_bytes;
  for (int64_t b = 0; b < args.k / kSuperBlock; ++b, block += kBytes) {
    __m512i dots[kTokens][kFour];
    uint16_t halves[kFour] = {};
    MCV_UNROLL
    for (int r = 0; r < kFour; ++r) {
      if (r >= kRows) {
        for (int t = 0; t < kTokens; ++t) dots[t][r] = _mm512_setzero_si512();
        continue;
      }
      const std::byte* at = block + r * apart * args.row_bytes;
      PrefetchAhead(at, kBytes);
      __m512i weights[4];
      UnpackSixBits(at, weights);
      const __m256i scales =
          _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 192)));
      const __m512i scales01 = _mm512_permutexvar_epi16(order01, _mm512_castsi256_si512(scales));
      const __m512i scales23 = _mm512_permutexvar_epi16(order23, _mm512_castsi256_si512(scales));
      std::memcpy(&halves[r], at + 208, sizeof halves[r]);
      MCV_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const TokenBlock& token = tokens[t][b];
        const __m256i offset = _mm256_slli_epi32(
            _mm256_madd_epi16(scales,
                              _mm256_load_si256(reinterpret_cast<const __m256i*>(token.sums16))),
            5);
        dots[t][r] = _mm512_sub_epi32(ScaledDots(weights, scales01, scales23, token.q),
                                      _mm512_zextsi256_si512(offset));
      }
    }
    const __m128 d = _mm_cvtph_ps(_mm_setr_epi16(
        static_cast<int16_t>(halves[0]), static_cast<int16_t>(halves[1]),
        static_cast<int16_t>(halves[2]), static_cast<int16_t>(halves[3]), 0, 0, 0, 0));
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const __m256i totals = FourTotals(dots[t]);
      const __m128i all =
          _mm_add_epi32(_mm256_castsi256_si128(totals), _mm256_extracti128_si256(totals, 1));
      sums[t] = _mm_fmadd_ps(_mm_cvtepi32_ps(all), _mm_mul_ps(d, _mm_set1_ps(tokens[t][b].scale)),
                             sums[t]);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    alignas(16) float out[kFour];
    _mm_store_ps(out, sums[t]);
    StoreRows<kRows>(args, first_token + t, row, apart, out);
  }
}

template <DType kType>
struct KProduct {
  template <int kRows, int kTokens>
  static void Run(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t token) {
    if constexpr (kType == DType::kQ6_K) {
      SixBitRows<kRows, kTokens>(args, row, apart, token);
    } else {
      NibbleRows<kType == DType::kQ5_K, kRows, kTokens>(args, row, apart, token);
    }
  }
};

template <DType kType>
void RunRows(const DotKernel::Args& args) {
  constexpr int64_t kFewest = 4;  // for which interleaving the rows is worth it
  if (args.num_tokens >= kFewest && args.rows >= kTileRows) return RunTiles<kType>(args);
  RunTokenFours<KProduct<kType>>(args);
}

}  // namespace
}  // namespace mcv::x86_avx512

MCV_REGION_END

namespace mcv::x86_avx512 {

const DotKernel* KDot(DType type) {
  // From here on unpacking into a panel costs less than its faster tiles give (4096 columns on
  // Zen 4, ns for 16 x 256 weights and a token, here and there: Q4_K with 16 tokens 28 and 40, with
  // 32 26 and 29; Q6_K 34 and 40, 31 and 30).
  static constexpr int64_t kMaxTokens = 32;
  static constexpr DotKernel q4 = {kMaxTokens, TokenBytes, QuantizeToken<BlockOrder::kNibblePairs>,
                                   RunRows<DType::kQ4_K>};
  static constexpr DotKernel q5 = {kMaxTokens, TokenBytes, QuantizeToken<BlockOrder::kNibblePairs>,
                                   RunRows<DType::kQ5_K>};
  static constexpr DotKernel q6 = {kMaxTokens, TokenBytes, QuantizeToken<BlockOrder::kNatural>,
                                   RunRows<DType::kQ6_K>};
  switch (type) {
    case DType::kQ4_K:
      return &q4;
    case DType::kQ5_K:
      return &q5;
    case DType::kQ6_K:
      return &q6;
    default:
      return nullptr;
  }
}

}  // namespace mcv::x86_avx512
