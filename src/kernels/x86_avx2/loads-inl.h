// What kernels for quantised rows load. Include inside the AVX2 region.
#pragma once

namespace mcv::x86_avx2 {
namespace {

MCV_INLINE __m256i LoadBytes(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
MCV_INLINE __m128i LoadHalfBytes(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
MCV_INLINE __m256i Bytes(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }

// A float of 16 bits.
MCV_INLINE float HalfAt(const std::byte* p) {
  uint16_t half;
  std::memcpy(&half, p, sizeof half);
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
}

}  // namespace
}  // namespace mcv::x86_avx2
