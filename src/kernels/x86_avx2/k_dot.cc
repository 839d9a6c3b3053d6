// A few tokens times rows of the K types, read once and in place, with 8-bit products.
//
// vpmaddubsw multiplies unsigned quants with signed tokens and adds pairs to 16 bits (63 * 127 * 2
// fits), vpmaddwd multiplies those with the block's integer scale and adds pairs to 32 bits, so a
// super-block is an exact integer before the fp32 scales touch it. What the types subtract (the
// minimum of a Q4_K block, the 32 of Q6_K) comes from sums of the token's quants.
//
// A row of Q4_K, Q5_K or Q6_K times a token is the same number whatever kernel computes it
// (k_dot_test.cc): the totals of the super-blocks are added up in fp32 in their order, minima
// apart. So one token, which waits for the memory, and several, for which sixteen rows go side by
// side (k_interleaved-inl.h), agree to the last bit.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/generic/region.h"
#include "kernels/x86_avx2/leaf.h"

#define MCV_TARGET_NS x86_avx2

MCV_REGION_BEGIN("avx2,fma,f16c,bmi,bmi2")

// clang-format off
#include "kernels/x86_avx2/vec.h"
#include "kernels/generic/int8_token-inl.h"
#include "kernels/generic/rows_apart-inl.h"
#include "kernels/x86_avx2/k_unpack-inl.h"
#include "kernels/x86_avx2/tiles-inl.h"
#include "kernels/x86_avx2/k_interleaved-inl.h"
// clang-format on

namespace mcv::x86_avx2 {
namespace {

// --- Q2_K and Q3_K. However many tokens share a row, each one's sums are taken in this order, so
// that its result does not depend on the others.
template <DType kType>
MCV_INLINE __m256 AddBlock(const Unpacked& u, const TokenBlock& token, __m256 sums) {
  __m256i dots = _mm256_setzero_si256();
  MCV_UNROLL
  for (int b = 0; b < 8; ++b) {
    const __m256i q = _mm256_load_si256(reinterpret_cast<const __m256i*>(token.q + 32 * b));
    const __m256i pairs = _mm256_maddubs_epi16(u.quants[b], q);
    dots = _mm256_add_epi32(dots, _mm256_madd_epi16(pairs, u.scales[b]));
  }
  const __m256 factor = _mm256_set1_ps(u.d * token.scale);
  const __m256i taken = _mm256_madd_epi16(u.sum_scales, LoadBytes(token.sums16));
  if constexpr (kType == DType::kQ3_K) {
    dots = _mm256_sub_epi32(dots, _mm256_slli_epi32(taken, 2));
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), factor, sums);
  }
  sums = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), factor, sums);
  return _mm256_fnmadd_ps(_mm256_cvtepi32_ps(taken), _mm256_set1_ps(u.dmin * token.scale), sums);
}

template <DType kType, int kTokens>
void RunTokens(const DotKernel::Args& args, int64_t first) {
  constexpr int64_t kBytes = KBlockBytes(kType);
  const int64_t blocks = args.k / kSuperBlock;
  for (int64_t r = 0; r < args.rows; ++r) {
    const std::byte* row = args.weights + r * args.row_bytes;
    __m256 sums[kTokens];
    for (__m256& token : sums) token = _mm256_setzero_ps();
    for (int64_t b = 0; b < blocks; ++b) {
      PrefetchAhead(row + b * kBytes, kBytes);
      Unpacked u;
      UnpackBlock<kType>(row + b * kBytes, &u);
      MCV_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const auto* token =
            reinterpret_cast<const TokenBlock*>(args.tokens + (first + t) * args.token_bytes);
        sums[t] = AddBlock<kType>(u, token[b], sums[t]);
      }
    }
    for (int t = 0; t < kTokens; ++t) {
      args.out[(first + t) * args.out_stride + r] = SumLanes(sums[t]);
    }
  }
}

// Q2_K and Q3_K.
template <DType kType>
void DotRows(const DotKernel::Args& args) {
  int64_t t = 0;
  for (; t + 4 <= args.num_tokens; t += 4) RunTokens<kType, 4>(args, t);
  for (; t + 2 <= args.num_tokens; t += 2) RunTokens<kType, 2>(args, t);
  if (t < args.num_tokens) RunTokens<kType, 1>(args, t);
}

// --- Q4_K, Q5_K and Q6_K times one token, the bulk of decode: the block is taken apart piece by
// piece in registers. A whole Unpacked does not fit them: from the cache, one core of Zen 3 takes
// Q5_K apart at 14 GB/s that way and 20.6 this way, Q6_K at 21.5 and 26.2.

// What a block comes to: lanes that are still to be added up.
struct BlockSums {
  __m256i products;
  __m128i minima;  // Q4_K and Q5_K
  __m128i halves;  // begins with d and dmin as the file has them
};

// Word b of each half, for 16 elements: of words that begin each half.
MCV_INLINE __m256i SpreadWord(__m256i words, int b) {
  return _mm256_shuffle_epi8(words,
                             _mm256_set1_epi16(static_cast<int16_t>((2 * b + 1) << 8 | 2 * b)));
}

// Quants b of a Q4_K or Q5_K block, whose fifth bits are bit b of qh.
template <DType kType>
MCV_INLINE __m256i NibblesAt(const std::byte* nibbles, __m256i qh, int b) {
  const __m256i both = LoadBytes(nibbles + 32 * (b / 2));
  const __m256i low = _mm256_and_si256(b % 2 == 0 ? both : _mm256_srli_epi16(both, 4), Bytes(0x0f));
  if constexpr (kType == DType::kQ4_K) return low;
  const __m256i moved = b < 4 ? _mm256_slli_epi16(qh, 4 - b) : _mm256_srli_epi16(qh, b - 4);
  return _mm256_or_si256(low, _mm256_and_si256(moved, Bytes(0x10)));
}

// Q4_K and Q5_K.
template <DType kType>
MCV_INLINE BlockSums SumNibbles(const std::byte* block, const TokenBlock& token) {
  const __m128i header = LoadHalfBytes(block);
  // Words of four: scales 0-3, scales 4-7, minima 0-3, minima 4-7. The low bits are in the header's
  // words 1, 3, 2 and 3, the top bits of the second and fourth in words 1 and 2.
  const __m128i low_order = _mm_setr_epi8(4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m128i top_order = _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, -1, -1, -1, -1, 8, 9, 10, 11);
  const __m128i low =
      _mm_and_si128(_mm_srlv_epi32(_mm_shuffle_epi8(header, low_order), _mm_setr_epi32(0, 0, 0, 4)),
                    _mm_setr_epi32(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f));
  const __m128i top = _mm_and_si128(_mm_srli_epi32(_mm_shuffle_epi8(header, top_order), 2),
                                    _mm_set1_epi32(0x30303030));
  const __m128i bytes = _mm_or_si128(low, top);
  constexpr bool kFiveBits = kType == DType::kQ5_K;
  const __m256i qh = kFiveBits ? LoadBytes(block + 16) : _mm256_setzero_si256();
  const __m256i scales = _mm256_broadcastsi128_si256(bytes);
  __m256i dots = _mm256_setzero_si256();
  MCV_UNROLL
  for (int b = 0; b < 8; ++b) {
    const __m256i quants = NibblesAt<kType>(block + (kFiveBits ? 48 : 16), qh, b);
    const __m256i q = _mm256_load_si256(reinterpret_cast<const __m256i*>(token.q + 32 * b));
    const __m256i scale =
        _mm256_shuffle_epi8(scales, _mm256_set1_epi16(static_cast<int16_t>(0x8000 | b)));
    dots = _mm256_add_epi32(dots, _mm256_madd_epi16(_mm256_maddubs_epi16(quants, q), scale));
    InThisOrder(dots);
  }
  const __m128i taken =
      _mm_madd_epi16(_mm_cvtepu8_epi16(_mm_srli_si128(bytes, 8)), LoadHalfBytes(token.sums32));
  return {dots, taken, header};
}

MCV_INLINE BlockSums SumQ6K(const std::byte* block, const TokenBlock& token) {
  const __m128i scales = LoadHalfBytes(block + 192);
  // Two scales for 32 elements: the even ones begin the lower half, the odd ones the upper.
  const __m256i spread = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(
      scales, _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15)));
  const __m256i taken = _mm256_madd_epi16(_mm256_cvtepi8_epi16(scales), LoadBytes(token.sums16));
  __m256i dots = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(taken, 5));
  MCV_UNROLL
  for (int h = 0; h < 2; ++h) {
    const __m256i high = LoadBytes(block + 128 + 32 * h);
    MCV_UNROLL
    for (int i = 0; i < 4; ++i) {
      const __m256i both = LoadBytes(block + 64 * h + 32 * (i % 2));
      const __m256i low = _mm256_and_si256(i < 2 ? both : _mm256_srli_epi16(both, 4), Bytes(0x0f));
      const __m256i moved = i < 2    ? _mm256_slli_epi16(high, 4 - 2 * i)
                            : i == 2 ? high
                                     : _mm256_srli_epi16(high, 2);
      const __m256i quants = _mm256_or_si256(low, _mm256_and_si256(moved, Bytes(0x30)));
      const int b = 4 * h + i;
      const __m256i q = _mm256_load_si256(reinterpret_cast<const __m256i*>(token.q + 32 * b));
      const __m256i pairs = _mm256_maddubs_epi16(quants, q);
      dots = _mm256_add_epi32(dots, _mm256_madd_epi16(pairs, SpreadWord(spread, b)));
      InThisOrder(dots);
    }
  }
  return {dots, _mm_setzero_si128(), _mm_loadu_si16(block + 208)};
}

// [total of row 0, of row 1, minima of row 0, of row 1]; Q6_K has none of the last two.
template <DType kType>
MCV_INLINE __m128i TwoTotals(const BlockSums& a, const BlockSums& b) {
  const __m256i halves = _mm256_add_epi32(_mm256_unpacklo_epi64(a.products, b.products),
                                          _mm256_unpackhi_epi64(a.products, b.products));
  const __m128 products = _mm_castsi128_ps(
      _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
  if constexpr (kType == DType::kQ6_K) {
    return _mm_add_epi32(_mm_castps_si128(_mm_permute_ps(products, 0x88)),
                         _mm_castps_si128(_mm_permute_ps(products, 0xdd)));
  }
  const __m128 minima = _mm_castsi128_ps(_mm_add_epi32(_mm_unpacklo_epi64(a.minima, b.minima),
                                                       _mm_unpackhi_epi64(a.minima, b.minima)));
  return _mm_add_epi32(_mm_castps_si128(_mm_shuffle_ps(products, minima, 0x88)),
                       _mm_castps_si128(_mm_shuffle_ps(products, minima, 0xdd)));
}

// One token with two rows.
template <DType kType>
MCV_INLINE void OneTokenRows(const DotKernel::Args& args, int64_t t, int64_t first,
                             int64_t second) {
  constexpr int64_t kBytes = KBlockBytes(kType);
  const int64_t blocks = args.k / kSuperBlock;
  const auto* token = reinterpret_cast<const TokenBlock*>(args.tokens + t * args.token_bytes);
  const std::byte* block = args.weights + first * args.row_bytes;
  const int64_t apart = (second - first) * args.row_bytes;
  __m128 sums = _mm_setzero_ps();
  for (int64_t b = 0; b < blocks; ++b, block += kBytes) {
    BlockSums rows[2];
    MCV_UNROLL
    for (int r = 0; r < 2; ++r) {
      const std::byte* weights = block + r * apart;
      PrefetchAhead(weights, kBytes);
      if constexpr (kType == DType::kQ6_K) {
        rows[r] = SumQ6K(weights, token[b]);
      } else {
        rows[r] = SumNibbles<kType>(weights, token[b]);
      }
    }
    const __m128 factors = _mm_cvtph_ps(_mm_unpacklo_epi16(rows[0].halves, rows[1].halves));
    sums = _mm_fmadd_ps(_mm_cvtepi32_ps(TwoTotals<kType>(rows[0], rows[1])),
                        _mm_mul_ps(factors, _mm_set1_ps(token[b].scale)), sums);
  }
  float* out = args.out + t * args.out_stride;
  const __m128 both = kType == DType::kQ6_K ? sums : _mm_sub_ps(sums, _mm_movehl_ps(sums, sums));
  out[first] = _mm_cvtss_f32(both);
  out[second] = _mm_cvtss_f32(_mm_movehdup_ps(both));
}

// A row of the first half beside one of the second: the processor follows two streams better than
// one, but not two within a page (docs/decisions/2026-11-26-decode-from-memory.md).
template <DType kType>
void OneToken(const DotKernel::Args& args, int64_t t) {
  const int64_t half = args.rows / 2;
  for (int64_t r = 0; r < half; ++r) OneTokenRows<kType>(args, t, r, half + r);
  if (args.rows % 2 != 0) OneTokenRows<kType>(args, t, args.rows - 1, args.rows - 1);
}

template <DType kType>
void WholeRows(const DotKernel::Args& args) {
  if (args.num_tokens > 1 && args.rows >= kTileRows) return RunTiles<kType>(args);
  for (int64_t t = 0; t < args.num_tokens; ++t) OneToken<kType>(args, t);
}

}  // namespace
}  // namespace mcv::x86_avx2

MCV_REGION_END

namespace mcv::x86_avx2 {

const DotKernel* KDot(DType type) {
  // From here on a panel is faster. Q4_K to Q6_K, 4096 columns on Zen 4, ns for 16 x 256 weights
  // and a token, here and there: Q4_K with 16 tokens 34 and 44, with 40 46 and 45; Q6_K with 16 45
  // and 55, with 40 41 and 44. Q2_K and Q3_K as Q6_K was before, 18 tokens on Zen 3: 9.8 and 10.4
  // ms.
  static constexpr int64_t kTiles = 32;
  static constexpr int64_t kRows = 18;
  static constexpr auto kPack = QuantizeToken<BlockOrder::kNatural>;
  static constexpr DotKernel q2 = {kRows, TokenBytes, kPack, DotRows<DType::kQ2_K>};
  static constexpr DotKernel q3 = {kRows, TokenBytes, kPack, DotRows<DType::kQ3_K>};
  static constexpr DotKernel q4 = {kTiles, TokenBytes, kPack, WholeRows<DType::kQ4_K>};
  static constexpr DotKernel q5 = {kTiles, TokenBytes, kPack, WholeRows<DType::kQ5_K>};
  static constexpr DotKernel q6 = {kTiles, TokenBytes, kPack, WholeRows<DType::kQ6_K>};
  switch (type) {
    case DType::kQ2_K:
      return &q2;
    case DType::kQ3_K:
      return &q3;
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

}  // namespace mcv::x86_avx2
