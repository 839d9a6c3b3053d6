// Super-blocks of the K types taken apart into bytes. Include inside the AVX2 region.
#pragma once

#include "kernels/x86_avx2/loads-inl.h"

namespace mcv::x86_avx2 {
namespace {

// What a super-block is, apart from the token: 8 x 32 quants in the file's order, the 16-bit scale
// of every element as vpmaddwd wants it, and what to subtract.
struct Unpacked {
  __m256i quants[8];
  __m256i scales[8];
  // 16 words for the sums of 16 elements, or 8 words for the sums of 32 (Q4_K, Q5_K): minima, in
  // units of dmin, or the scales, to take away the quants' offset (32 in Q6_K, 4 in Q3_K).
  __m256i sum_scales;
  float d;
  float dmin;
};

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

// 16 signed scales, each for 16 elements.
MCV_INLINE void SpreadScales(__m128i scales, Unpacked* u) {
  MCV_UNROLL
  for (int b = 0; b < 8; ++b) {
    const int64_t first = 0x0101010101010101 * (2 * b);
    const __m128i pick = _mm_set_epi64x(first + 0x0101010101010101, first);
    u->scales[b] = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, pick));
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
  SpreadScales(scales, u);
}

// Quants of two bits, four of them in each byte: shifts of 32 bytes give 32 elements each.
MCV_INLINE void UnpackTwoBits(const std::byte* bytes, Unpacked* u) {
  MCV_UNROLL
  for (int v = 0; v < 8; ++v) {
    const __m256i four = LoadBytes(bytes + 32 * (v / 4));
    u->quants[v] = _mm256_and_si256(_mm256_srli_epi16(four, 2 * (v % 4)), Bytes(3));
  }
}

MCV_INLINE void UnpackQ2K(const std::byte* block, Unpacked* u) {
  const __m128i both = LoadHalfBytes(block);
  const __m128i low = _mm_set1_epi8(0x0f);
  u->d = HalfAt(block + 80);
  u->dmin = HalfAt(block + 82);
  u->sum_scales = _mm256_cvtepi8_epi16(_mm_and_si128(_mm_srli_epi16(both, 4), low));
  UnpackTwoBits(block + 16, u);
  SpreadScales(_mm_and_si128(both, low), u);
}

MCV_INLINE void UnpackQ3K(const std::byte* block, Unpacked* u) {
  const auto* packed = reinterpret_cast<const uint8_t*>(block + 96);
  alignas(16) int8_t bytes[16];
  for (int b = 0; b < 16; ++b) {
    const int low = b < 8 ? packed[b] & 15 : packed[b - 8] >> 4;
    const int high = packed[8 + b % 4] >> (2 * (b / 4)) & 3;
    bytes[b] = static_cast<int8_t>((low | high << 4) - 32);
  }
  const __m128i scales = LoadHalfBytes(bytes);
  u->sum_scales = _mm256_cvtepi8_epi16(scales);
  u->d = HalfAt(block + 108);
  UnpackTwoBits(block + 32, u);
  const __m256i mask = LoadBytes(block);
  MCV_UNROLL
  for (int v = 0; v < 8; ++v) {
    const __m256i bit = Bytes(1 << v);
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(mask, bit), bit);
    u->quants[v] = _mm256_or_si256(u->quants[v], _mm256_and_si256(set, Bytes(4)));
  }
  SpreadScales(scales, u);
}

template <DType kType>
MCV_INLINE void UnpackBlock(const std::byte* block, Unpacked* u) {
  if constexpr (kType == DType::kQ2_K) UnpackQ2K(block, u);
  if constexpr (kType == DType::kQ3_K) UnpackQ3K(block, u);
  if constexpr (kType == DType::kQ4_K) UnpackNibbles<false>(block, u);
  if constexpr (kType == DType::kQ5_K) UnpackNibbles<true>(block, u);
  if constexpr (kType == DType::kQ6_K) UnpackSixBits(block, u);
}

constexpr int64_t KBlockBytes(DType type) {
  return type == DType::kQ2_K   ? 84
         : type == DType::kQ3_K ? 110
         : type == DType::kQ4_K ? 144
         : type == DType::kQ5_K ? 176
                                : 210;
}

}  // namespace
}  // namespace mcv::x86_avx2
