// A few tokens times Q4_K, Q5_K, Q6_K or Q8_0 rows, read once and in place, with 8-bit products.
//
// vpmaddubsw multiplies unsigned quants with signed tokens and adds pairs to 16 bits (63 * 127 * 2
// fits), vpmaddwd multiplies those with the block's integer scale and adds pairs to 32 bits, so a
// super-block is an exact integer before the fp32 scales touch it. What the types subtract (the
// minimum of a Q4_K block, the 32 of Q6_K) comes from sums of the token's quants.
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
// clang-format on

namespace mcv::x86_avx2 {
namespace {

// Sums of four products w * q, both signed.
MCV_INLINE __m256i DotSigns(__m256i w, __m256i q) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

MCV_INLINE __m256i LoadBytes(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
MCV_INLINE __m128i LoadHalfBytes(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
MCV_INLINE __m256i Bytes(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }

// What a super-block is, apart from the token: 8 x 32 quants, their 16-bit scales as vpmaddwd wants
// them, and what to subtract.
struct Unpacked {
  __m256i quants[8];
  __m256i scales[8];
  __m256i sum_scales;  // Q6_K: 16 scales, times the sums of 16; else 8 minima, times the sums of 32
  float d;
  float dmin;
};

MCV_INLINE float HalfAt(const std::byte* p) {
  uint16_t half;
  std::memcpy(&half, p, sizeof half);
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
}

template <bool kFiveBits>
MCV_INLINE void UnpackNibbles(const std::byte* block, Unpacked* u) {
  u->d = HalfAt(block);
  u->dmin = HalfAt(block + 2);
  uint32_t a, b, c;
  std::memcpy(&a, block + 4, 4);
  std::memcpy(&b, block + 8, 4);
  std::memcpy(&c, block + 12, 4);
  // Scales 0-3 = a & 63, 4-7 = (c & 15) | top two bits of a; minima likewise from b and c >> 4.
  const __m128i bytes =
      _mm_setr_epi32(static_cast<int>(a & 0x3f3f3f3f),
                     static_cast<int>((c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030)),
                     static_cast<int>(b & 0x3f3f3f3f),
                     static_cast<int>(((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030)));
  const __m256i words = _mm256_cvtepu8_epi16(bytes);
  const __m256i scales = _mm256_permute4x64_epi64(words, 0x44);
  u->sum_scales = _mm256_permute4x64_epi64(words, 0xee);
  const __m256i qh = kFiveBits ? LoadBytes(block + 16) : _mm256_setzero_si256();
  const std::byte* nibbles = block + (kFiveBits ? 48 : 16);
  MCV_UNROLL
  for (int b2 = 0; b2 < 8; ++b2) {
    const __m256i both = LoadBytes(nibbles + 32 * (b2 / 2));
    u->quants[b2] = _mm256_and_si256(b2 % 2 == 0 ? both : _mm256_srli_epi16(both, 4), Bytes(0x0f));
    if constexpr (kFiveBits) {
      const __m256i bit = Bytes(1 << b2);
      const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(qh, bit), bit);
      u->quants[b2] = _mm256_or_si256(u->quants[b2], _mm256_and_si256(set, Bytes(0x10)));
    }
    u->scales[b2] = _mm256_shuffle_epi8(
        scales, _mm256_set1_epi16(static_cast<int16_t>((2 * b2 + 1) << 8 | 2 * b2)));
  }
}

MCV_INLINE void UnpackSixBits(const std::byte* block, Unpacked* u) {
  const __m128i scales = LoadHalfBytes(block + 192);
  u->sum_scales = _mm256_cvtepi8_epi16(scales);
  u->d = HalfAt(block + 208);
  MCV_UNROLL
  for (int h = 0; h < 2; ++h) {
    const __m256i low = LoadBytes(block + 64 * h);
    const __m256i next = LoadBytes(block + 64 * h + 32);
    const __m256i high = LoadBytes(block + 128 + 32 * h);
    const __m256i mask = Bytes(0x0f);
    const __m256i top = Bytes(0x30);
    __m256i* q = u->quants + 4 * h;
    q[0] = _mm256_or_si256(_mm256_and_si256(low, mask),
                           _mm256_and_si256(_mm256_slli_epi16(high, 4), top));
    q[1] = _mm256_or_si256(_mm256_and_si256(next, mask),
                           _mm256_and_si256(_mm256_slli_epi16(high, 2), top));
    q[2] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(low, 4), mask),
                           _mm256_and_si256(high, top));
    q[3] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(next, 4), mask),
                           _mm256_and_si256(_mm256_srli_epi16(high, 2), top));
  }
  MCV_UNROLL
  for (int b = 0; b < 8; ++b) {  // 16 elements with each of two scales
    const int64_t first = 0x0101010101010101 * (2 * b);
    const __m128i pick = _mm_set_epi64x(first + 0x0101010101010101, first);
    u->scales[b] = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, pick));
  }
}

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
  if constexpr (kType == DType::kQ6_K) {
    const __m256i sums16 = LoadBytes(token.sums16);
    const __m256i offset = _mm256_slli_epi32(_mm256_madd_epi16(u.sum_scales, sums16), 5);
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(dots, offset)), factor, sums);
  } else {
    const __m256i sums32 = _mm256_zextsi128_si256(LoadHalfBytes(token.sums32));
    const __m256 minima = _mm256_cvtepi32_ps(_mm256_madd_epi16(u.sum_scales, sums32));
    sums = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), factor, sums);
    return _mm256_fnmadd_ps(minima, _mm256_set1_ps(u.dmin * token.scale), sums);
  }
}

template <DType kType, int kTokens>
void RunTokens(const DotKernel::Args& args, int64_t first) {
  constexpr int64_t kBytes = kType == DType::kQ4_K ? 144 : kType == DType::kQ5_K ? 176 : 210;
  const int64_t blocks = args.k / kSuperBlock;
  for (int64_t r = 0; r < args.rows; ++r) {
    const std::byte* row = args.weights + r * args.row_bytes;
    __m256 sums[kTokens];
    for (int t = 0; t < kTokens; ++t) sums[t] = _mm256_setzero_ps();
    for (int64_t b = 0; b < blocks; ++b) {
      Unpacked u;
      if constexpr (kType == DType::kQ6_K) {
        UnpackSixBits(row + b * kBytes, &u);
      } else {
        UnpackNibbles<kType == DType::kQ5_K>(row + b * kBytes, &u);
      }
      MCV_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const auto* token =
            reinterpret_cast<const TokenBlock*>(args.tokens + (first + t) * args.token_bytes);
        sums[t] = AddBlock<kType>(u, token[b], sums[t]);
      }
    }
    for (int t = 0; t < kTokens; ++t)
      args.out[(first + t) * args.out_stride + r] = SumLanes(sums[t]);
  }
}

template <DType kType>
void DotRows(const DotKernel::Args& args) {
  int64_t t = 0;
  for (; t + 4 <= args.num_tokens; t += 4) RunTokens<kType, 4>(args, t);
  for (; t + 2 <= args.num_tokens; t += 2) RunTokens<kType, 2>(args, t);
  if (t < args.num_tokens) RunTokens<kType, 1>(args, t);
}

}  // namespace
}  // namespace mcv::x86_avx2

#include "kernels/x86_avx2/q8_dot-inl.h"

MCV_REGION_END

namespace mcv::x86_avx2 {

const DotKernel* Int8Dot(DType type) {
  static constexpr int64_t kMaxTokens = 8;
  static constexpr auto kPack = QuantizeToken<BlockOrder::kNatural>;
  static constexpr DotKernel q4 = {kMaxTokens, TokenBytes, kPack, DotRows<DType::kQ4_K>};
  static constexpr DotKernel q5 = {kMaxTokens, TokenBytes, kPack, DotRows<DType::kQ5_K>};
  static constexpr DotKernel q6 = {kMaxTokens, TokenBytes, kPack, DotRows<DType::kQ6_K>};
  switch (type) {
    case DType::kQ4_K:
      return &q4;
    case DType::kQ5_K:
      return &q5;
    case DType::kQ6_K:
      return &q6;
    case DType::kQ8_0:
      return &kQ8Dot;
    default:
      return nullptr;
  }
}

}  // namespace mcv::x86_avx2
