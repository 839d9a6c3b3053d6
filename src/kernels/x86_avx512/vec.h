// The vector of 16 floats that generic/ is written over. Include inside the AVX-512 region.
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

constexpr int kLanes = 16;
using Vec = __m512;

MCV_INLINE __mmask16 FirstLanes(int count) {
  return static_cast<__mmask16>(_bzhi_u32(0xffffu, static_cast<unsigned>(count)));
}

// How many of the remaining elements the next vector takes.
MCV_INLINE int Take(int64_t left) { return left < kLanes ? static_cast<int>(left) : kLanes; }

MCV_INLINE Vec Zero() { return _mm512_setzero_ps(); }
MCV_INLINE Vec Set(float x) { return _mm512_set1_ps(x); }
MCV_INLINE Vec Load(const float* p) { return _mm512_loadu_ps(p); }
MCV_INLINE void Store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
// The first `count` lanes; the others are zero, or `fill`.
MCV_INLINE Vec LoadN(const float* p, int count) {
  return _mm512_maskz_loadu_ps(FirstLanes(count), p);
}
MCV_INLINE Vec LoadN(const float* p, int count, float fill) {
  return _mm512_mask_loadu_ps(Set(fill), FirstLanes(count), p);
}
MCV_INLINE void StoreN(float* p, Vec v, int count) {
  _mm512_mask_storeu_ps(p, FirstLanes(count), v);
}
MCV_INLINE Vec KeepN(Vec v, int count) { return _mm512_maskz_mov_ps(FirstLanes(count), v); }

MCV_INLINE Vec Add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
MCV_INLINE Vec Sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
MCV_INLINE Vec Mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
MCV_INLINE Vec Div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
MCV_INLINE Vec Fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }  // a * b + c
MCV_INLINE Vec Max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
MCV_INLINE Vec Min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
MCV_INLINE Vec Abs(Vec a) { return _mm512_abs_ps(a); }
MCV_INLINE Vec Round(Vec a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// a * 2^n for whole n.
MCV_INLINE Vec ScaleByPowerOfTwo(Vec a, Vec n) { return _mm512_scalef_ps(a, n); }
// x < 0 ? a : b.
MCV_INLINE Vec WhereNegative(Vec x, Vec a, Vec b) {
  return _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), a);
}
MCV_INLINE float SumLanes(Vec v) { return _mm512_reduce_add_ps(v); }
MCV_INLINE float MaxLane(Vec v) { return _mm512_reduce_max_ps(v); }

// The sums of four vectors, for a third of the steps of four SumLanes.
MCV_INLINE void SumLanes4(const Vec (&v)[4], float* sums) {
  const Vec ab = Add(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
  const Vec cd = Add(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
  const __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const Vec all = Add(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

// The same value, in a register from here on: not loaded again at every use.
MCV_INLINE Vec InRegister(Vec v) {
  asm("" : "+v"(v));
  return v;
}

// A word in every lane, loaded once however often it is used: as text, so that GCC cannot make the
// load an operand of each use. Tiles wait for the two load ports otherwise.
MCV_INLINE __m512i BroadcastOnce(const uint32_t* p) {
  __m512i v;
  asm volatile("vpbroadcastd %1, %0" : "=v"(v) : "m"(*p));
  return v;
}

// Whole numbers of the int8 range as 16 bytes.
MCV_INLINE void StoreInt8(int8_t* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

// 16 bytes of the int8 range, and one half in every lane.
MCV_INLINE Vec LoadInt8(const std::byte* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}
MCV_INLINE Vec SetF16(const std::byte* p) {
  int16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return _mm512_cvtph_ps(_mm256_set1_epi16(bits));
}

// 16-bit floats; all lanes, or the first `count` and zeros.
MCV_INLINE __m256i Load16(const std::byte* p, int count) {
  return _mm256_maskz_loadu_epi16(FirstLanes(count), p);
}
MCV_INLINE Vec LoadF16(const std::byte* p, int count) { return _mm512_cvtph_ps(Load16(p, count)); }
MCV_INLINE Vec LoadBf16(const std::byte* p, int count) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(Load16(p, count)), 16));
}
MCV_INLINE void StoreF16(std::byte* p, Vec v, int count) {
  _mm256_mask_storeu_epi16(p, FirstLanes(count), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
// bf16 bits of each lane in the low half of its 32 bits: nearest, ties to even; NaN stays NaN.
MCV_INLINE __m512i RoundToBf16(Vec v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return _mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16);
}
MCV_INLINE void StoreBf16(std::byte* p, Vec v, int count) {
  _mm256_mask_storeu_epi16(p, FirstLanes(count), _mm512_cvtepi32_epi16(RoundToBf16(v)));
}

// out[c * out_stride + r] = in[r * in_stride + c] for 16 x 16 words of 32 bits. Columns are written
// in order, so with out_stride < 16 each one overwrites what the one before wrote too much.
inline void TransposeTile(const uint32_t* in, int64_t in_stride, uint32_t* out,
                          int64_t out_stride) {
  __m512i a[16];
  __m512i b[16];
  MCV_UNROLL
  for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_si512(in + i * in_stride);
  MCV_UNROLL
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  MCV_UNROLL
  for (int i = 0; i < 16; i += 4) {  // a[i + j]: column j of each group of four, rows i..i+3
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  MCV_UNROLL
  for (int j = 0; j < 4; ++j) {  // columns j, 4 + j, 8 + j, 12 + j
    const __m512i lo01 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
    const __m512i hi01 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
    const __m512i lo23 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
    const __m512i hi23 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
    b[j] = _mm512_shuffle_i32x4(lo01, lo23, 0x88);
    b[8 + j] = _mm512_shuffle_i32x4(lo01, lo23, 0xdd);
    b[4 + j] = _mm512_shuffle_i32x4(hi01, hi23, 0x88);
    b[12 + j] = _mm512_shuffle_i32x4(hi01, hi23, 0xdd);
  }
  MCV_UNROLL
  for (int c = 0; c < 16; ++c) _mm512_storeu_si512(out + c * out_stride, b[c]);
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
