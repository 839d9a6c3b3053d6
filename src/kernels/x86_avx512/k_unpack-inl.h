// Quants of one super-block of a K type as bytes in four vectors. Include inside a region, after
// vec.h.
#pragma once

namespace mcv::x86_avx512 {
namespace {

MCV_INLINE __m512i LoadBytes(const void* p) { return _mm512_loadu_si512(p); }
MCV_INLINE __m512i Words(int value) { return _mm512_set1_epi16(static_cast<int16_t>(value)); }
MCV_INLINE __m512i Bytes(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }

// 16-bit shift counts: `low` in the first 256 bits, `high` in the second.
MCV_INLINE __m512i Shifts(int low, int high) {
  return _mm512_inserti64x4(Words(low), _mm256_set1_epi16(static_cast<int16_t>(high)), 1);
}

// --- Q4_K and Q5_K: d, dmin, eight 6-bit scales and minima in 12 bytes, [high bits], nibbles.

template <bool kFiveBits>
struct NibbleBlock {
  static constexpr int kBytes = kFiveBits ? 176 : 144;
  static constexpr int kNibbles = kFiveBits ? 48 : 16;
};

// Vector bytes: blocks [0 2], [1 3], [4 6], [5 7].
template <bool kFiveBits>
MCV_INLINE void UnpackNibbles(const std::byte* block, __m512i (&weights)[4]) {
  const __m512i mask = Bytes(0x0f);
  for (int h = 0; h < 2; ++h) {
    const __m512i both = LoadBytes(block + NibbleBlock<kFiveBits>::kNibbles + 64 * h);
    weights[2 * h] = _mm512_and_si512(both, mask);
    weights[2 * h + 1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), mask);
  }
  if constexpr (kFiveBits) {  // bit b of byte l is the fifth bit of element l of block b
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 16));
    const __m512i high = _mm512_broadcast_i64x4(bits);
    const __m512i fifth = Bytes(0x10);
    const __m512i moved[4] = {
        _mm512_sllv_epi16(high, Shifts(4, 2)), _mm512_sllv_epi16(high, Shifts(3, 1)),
        _mm512_srlv_epi16(high, Shifts(0, 2)), _mm512_srlv_epi16(high, Shifts(1, 3))};
    for (int i = 0; i < 4; ++i) {
      weights[i] = _mm512_ternarylogic_epi32(weights[i], moved[i], fifth, 0xf8);  // a | (b & c)
    }
  }
}

// --- Q6_K: 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales, d.

// Vector bytes: elements 0-63, 64-127, 128-191, 192-255; values 0 to 63.
MCV_INLINE void UnpackSixBits(const std::byte* block, __m512i (&weights)[4]) {
  const __m512i mask = Bytes(0x0f);
  const __m512i high_mask = Bytes(0x30);
  for (int h = 0; h < 2; ++h) {
    const __m512i both = LoadBytes(block + 64 * h);
    const __m512i high = _mm512_broadcast_i64x4(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 128 + 32 * h)));
    weights[2 * h] = _mm512_ternarylogic_epi32(_mm512_and_si512(both, mask),
                                               _mm512_sllv_epi16(high, Shifts(4, 2)), high_mask,
                                               0xf8);  // a | (b & c)
    weights[2 * h + 1] =
        _mm512_ternarylogic_epi32(_mm512_and_si512(_mm512_srli_epi16(both, 4), mask),
                                  _mm512_srlv_epi16(high, Shifts(0, 2)), high_mask, 0xf8);
  }
}

}  // namespace
}  // namespace mcv::x86_avx512
