// The vector of 8 floats that generic/ is written over. Include inside the AVX2 region.
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

constexpr int kLanes = 8;
using Vec = __m256;

// How many of the remaining elements the next vector takes.
MCV_INLINE int Take(int64_t left) { return left < kLanes ? static_cast<int>(left) : kLanes; }

MCV_INLINE __m256i FirstLanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

MCV_INLINE Vec Zero() { return _mm256_setzero_ps(); }
MCV_INLINE Vec Set(float x) { return _mm256_set1_ps(x); }
MCV_INLINE Vec Load(const float* p) { return _mm256_loadu_ps(p); }
MCV_INLINE void Store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
// The first `count` lanes; the others are zero, or `fill`.
MCV_INLINE Vec LoadN(const float* p, int count) {
  return count == kLanes ? Load(p) : _mm256_maskload_ps(p, FirstLanes(count));
}
MCV_INLINE Vec LoadN(const float* p, int count, float fill) {
  if (count == kLanes) return Load(p);
  const __m256i mask = FirstLanes(count);
  return _mm256_blendv_ps(Set(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
MCV_INLINE void StoreN(float* p, Vec v, int count) {
  if (count == kLanes) {
    Store(p, v);
  } else {
    _mm256_maskstore_ps(p, FirstLanes(count), v);
  }
}
MCV_INLINE Vec KeepN(Vec v, int count) {
  return _mm256_and_ps(v, _mm256_castsi256_ps(FirstLanes(count)));
}

MCV_INLINE Vec Add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
MCV_INLINE Vec Sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
MCV_INLINE Vec Mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
MCV_INLINE Vec Div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
MCV_INLINE Vec Fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }  // a * b + c
MCV_INLINE Vec Max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
MCV_INLINE Vec Min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
MCV_INLINE Vec Abs(Vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
MCV_INLINE Vec Round(Vec a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// a * 2^n for whole n >= -126 with a normal result.
MCV_INLINE Vec ScaleByPowerOfTwo(Vec a, Vec n) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponent));
}
// x < 0 ? a : b.
MCV_INLINE Vec WhereNegative(Vec x, Vec a, Vec b) { return _mm256_blendv_ps(b, a, x); }
MCV_INLINE float SumLanes(Vec v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}
MCV_INLINE float MaxLane(Vec v) {
  __m128 max = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  max = _mm_max_ps(max, _mm_movehl_ps(max, max));
  return _mm_cvtss_f32(_mm_max_ss(max, _mm_movehdup_ps(max)));
}

// The sums of four vectors, for a third of the steps of four SumLanes.
MCV_INLINE void SumLanes4(const Vec (&v)[4], float* sums) {
  const Vec all = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}

// The same value, in a register from here on: not loaded again at every use.
MCV_INLINE Vec InRegister(Vec v) {
  asm("" : "+x"(v));
  return v;
}

// Whole numbers of the int8 range as 8 bytes.
MCV_INLINE void StoreInt8(int8_t* p, Vec v) {
  const __m256i words = _mm256_cvtps_epi32(v);
  const __m128i half =
      _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(half, half));
}

// 8 bytes of the int8 range, and one half in every lane.
MCV_INLINE Vec LoadInt8(const std::byte* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
MCV_INLINE Vec SetF16(const std::byte* p) {
  int16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return _mm256_cvtph_ps(_mm_set1_epi16(bits));
}

// 16-bit floats; all lanes, or the first `count` and zeros.
MCV_INLINE __m128i Load16(const std::byte* p, int count) {
  if (count == kLanes) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  alignas(16) uint16_t part[kLanes] = {};
  std::memcpy(part, p, static_cast<size_t>(count) * 2);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(part));
}
MCV_INLINE void Store16(std::byte* p, __m128i v, int count) {
  if (count == kLanes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v);
    return;
  }
  alignas(16) uint16_t part[kLanes];
  _mm_store_si128(reinterpret_cast<__m128i*>(part), v);
  std::memcpy(p, part, static_cast<size_t>(count) * 2);
}
MCV_INLINE Vec LoadF16(const std::byte* p, int count) { return _mm256_cvtph_ps(Load16(p, count)); }
MCV_INLINE Vec LoadBf16(const std::byte* p, int count) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(Load16(p, count)), 16));
}
MCV_INLINE void StoreF16(std::byte* p, Vec v, int count) {
  Store16(p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT), count);
}
// Nearest, ties to even; NaN stays NaN.
MCV_INLINE void StoreBf16(std::byte* p, Vec v, int count) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(high, high), 0xd8);
  Store16(p, _mm256_castsi256_si128(packed), count);
}

// out[c * out_stride + r] = in[r * in_stride + c] for 8 x 8 words of 32 bits. Columns are written
// in order, so with out_stride < 8 each one overwrites what the one before wrote too much.
inline void TransposeTile(const uint32_t* in, int64_t in_stride, uint32_t* out,
                          int64_t out_stride) {
  __m256i a[8];
  __m256i b[8];
  MCV_UNROLL
  for (int i = 0; i < 8; ++i) {
    a[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i * in_stride));
  }
  MCV_UNROLL
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
  }
  MCV_UNROLL
  for (int i = 0; i < 8; i += 4) {
    a[i] = _mm256_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm256_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm256_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  MCV_UNROLL
  for (int j = 0; j < 4; ++j) {
    b[j] = _mm256_permute2x128_si256(a[j], a[4 + j], 0x20);
    b[4 + j] = _mm256_permute2x128_si256(a[j], a[4 + j], 0x31);
  }
  MCV_UNROLL
  for (int c = 0; c < 8; ++c) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + c * out_stride), b[c]);
  }
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
