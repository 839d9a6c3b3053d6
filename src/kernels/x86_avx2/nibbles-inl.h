// Blocks of Q4_0, Q4_1, Q5_0 and Q5_1 as bytes. Include inside the AVX2 region, after vec.h.
#pragma once

#include "kernels/generic/nibble_layout-inl.h"
#include "kernels/x86_avx2/loads-inl.h"

namespace mcv::x86_avx2 {
namespace {

constexpr int64_t kGroup = kLanes * kElements;  // eight blocks, whose scales are one vector

// 16 bytes: the low nibbles, then the high ones.
MCV_INLINE __m256i Nibbles(const std::byte* p) {
  const __m128i both = LoadHalfBytes(p);
  const __m256i wide = _mm256_set_m128i(_mm_srli_epi16(both, 4), both);
  return _mm256_and_si256(wide, Bytes(0x0f));
}

// What nibbles of IQ4_NL stand for, signed.
MCV_INLINE __m256i UnequalSteps(__m256i nibbles) {
  const __m256i values = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
  return _mm256_shuffle_epi8(values, nibbles);
}

// Each half of `bits` has 32 of them; the bytes of `which` say which byte of its half goes to an
// element. Bytes of 16 or 0.
MCV_INLINE __m256i FifthBits(__m256i bits, __m256i which) {
  const __m256i spread = _mm256_shuffle_epi8(bits, which);
  const __m256i bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
  return _mm256_and_si256(set, Bytes(16));
}

MCV_INLINE int LoadWord(const std::byte* p) {
  int word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// The 32 numbers q of a block, in their order.
template <DType kType>
MCV_INLINE __m256i UnpackUnsigned(const std::byte* block) {
  constexpr NibbleLayout layout = LayoutOf<kType>();
  __m256i q = Nibbles(block + layout.nibbles);
  if constexpr (layout.fifth_bits != 0) {
    const __m256i bits = _mm256_set1_epi32(LoadWord(block + layout.fifth_bits));
    const __m256i which =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    q = _mm256_or_si256(q, FifthBits(bits, which));
  }
  return q;
}

// m of a block whose scale is d.
template <DType kType>
MCV_INLINE float OffsetAt(const std::byte* block, float d) {
  constexpr NibbleLayout layout = LayoutOf<kType>();
  return layout.minimum ? HalfAt(block + 2) : d * layout.offset;
}

MCV_INLINE int HalfBits(const std::byte* p) {
  int16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return bits;
}

// Eight halves, kApart bytes from each other.
template <int64_t kApart>
MCV_INLINE Vec LoadHalves(const std::byte* p) {
  __m128i halves = _mm_cvtsi32_si128(HalfBits(p));
  halves = _mm_insert_epi16(halves, HalfBits(p + 1 * kApart), 1);
  halves = _mm_insert_epi16(halves, HalfBits(p + 2 * kApart), 2);
  halves = _mm_insert_epi16(halves, HalfBits(p + 3 * kApart), 3);
  halves = _mm_insert_epi16(halves, HalfBits(p + 4 * kApart), 4);
  halves = _mm_insert_epi16(halves, HalfBits(p + 5 * kApart), 5);
  halves = _mm_insert_epi16(halves, HalfBits(p + 6 * kApart), 6);
  halves = _mm_insert_epi16(halves, HalfBits(p + 7 * kApart), 7);
  return _mm256_cvtph_ps(halves);
}

}  // namespace
}  // namespace mcv::x86_avx2
