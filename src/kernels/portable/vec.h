// The vector of 4 floats that generic/ is written over, in the compiler's own vector types:
// whatever the processor's base instruction set offers (SSE2, NEON, or plain registers). Include
// after generic/region.h; there is no region to be inside of.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/half.h"

namespace mcv::MCV_TARGET_NS {
namespace {

constexpr int kLanes = 4;
using Vec = float __attribute__((vector_size(16)));
using Words = int32_t __attribute__((vector_size(16)));
using Halves = uint16_t __attribute__((vector_size(8)));

// The same bits as another type.
template <class To, class From>
MCV_INLINE To Bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// How many of the remaining elements the next vector takes.
MCV_INLINE int Take(int64_t left) { return left < kLanes ? static_cast<int>(left) : kLanes; }

MCV_INLINE Vec Zero() { return Vec{}; }
MCV_INLINE Vec Set(float x) { return Vec{x, x, x, x}; }
MCV_INLINE Vec Load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
MCV_INLINE void Store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
// The first `count` lanes; the others are zero, or `fill`.
MCV_INLINE Vec LoadN(const float* p, int count, float fill) {
  if (count == kLanes) return Load(p);
  Vec v = Set(fill);
  for (int i = 0; i < count; ++i) v[i] = p[i];
  return v;
}
MCV_INLINE Vec LoadN(const float* p, int count) { return LoadN(p, count, 0.0f); }
MCV_INLINE void StoreN(float* p, Vec v, int count) {
  if (count == kLanes) return Store(p, v);
  for (int i = 0; i < count; ++i) p[i] = v[i];
}
MCV_INLINE Vec KeepN(Vec v, int count) {
  const Words first = Words{0, 1, 2, 3} < count;
  return Bits<Vec>(Bits<Words>(v) & first);
}

MCV_INLINE Vec Add(Vec a, Vec b) { return a + b; }
MCV_INLINE Vec Sub(Vec a, Vec b) { return a - b; }
MCV_INLINE Vec Mul(Vec a, Vec b) { return a * b; }
MCV_INLINE Vec Div(Vec a, Vec b) { return a / b; }
MCV_INLINE Vec Fma(Vec a, Vec b, Vec c) { return a * b + c; }  // rounded once or twice
MCV_INLINE Vec Max(Vec a, Vec b) { return a > b ? a : b; }
MCV_INLINE Vec Min(Vec a, Vec b) { return a < b ? a : b; }
MCV_INLINE Vec Abs(Vec a) { return Bits<Vec>(Bits<Words>(a) & 0x7fffffff); }
// To the nearest whole number, ties to even; |a| < 2^22.
MCV_INLINE Vec Round(Vec a) {
  const Vec shift = Set(12582912.0f);  // 1.5 * 2^23: whole numbers are all that is left
  return a + shift - shift;
}
// a * 2^n for whole n >= -126 with a normal result.
MCV_INLINE Vec ScaleByPowerOfTwo(Vec a, Vec n) {
  return Bits<Vec>(Bits<Words>(a) + (__builtin_convertvector(n, Words) << 23));
}
// x < 0 ? a : b.
MCV_INLINE Vec WhereNegative(Vec x, Vec a, Vec b) { return Bits<Words>(x) < 0 ? a : b; }
MCV_INLINE float SumLanes(Vec v) { return (v[0] + v[2]) + (v[1] + v[3]); }
MCV_INLINE float MaxLane(Vec v) {
  const float even = v[0] > v[2] ? v[0] : v[2];
  const float odd = v[1] > v[3] ? v[1] : v[3];
  return even > odd ? even : odd;
}
MCV_INLINE void SumLanes4(const Vec (&v)[4], float* sums) {
  MCV_UNROLL
  for (int i = 0; i < 4; ++i) sums[i] = SumLanes(v[i]);
}
MCV_INLINE Vec InRegister(Vec v) { return v; }

// Whole numbers of the int8 range as 4 bytes.
MCV_INLINE void StoreInt8(int8_t* p, Vec v) {
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<int8_t>(v[i]);
}
// 4 bytes of the int8 range, and one half in every lane.
MCV_INLINE Vec LoadInt8(const std::byte* p) {
  using Bytes = int8_t __attribute__((vector_size(4)));
  Bytes bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  return __builtin_convertvector(bytes, Vec);
}
MCV_INLINE Vec SetF16(const std::byte* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return Set(HalfToFloat(bits));
}

// 16-bit elements as words; all lanes, or the first `count` and zeros.
MCV_INLINE Words Load16(const std::byte* p, int count) {
  Halves part = {};
  if (count == kLanes) {
    std::memcpy(&part, p, sizeof part);
  } else {
    std::memcpy(&part, p, static_cast<size_t>(count) * 2);
  }
  return __builtin_convertvector(part, Words);
}
// The exponent is 112 too small where the bits are moved: one exact multiplication, which takes
// care of subnormal numbers. Infinity and NaN need the highest exponent of a float.
MCV_INLINE Vec LoadF16(const std::byte* p, int count) {
  const Words bits = Load16(p, count);
  const Words size = (bits & 0x7fff) << 13;
  const Words value = Bits<Words>(Bits<Vec>(size) * Set(0x1p112f));
  const Words endless = (size >= (0x7c00 << 13)) & 0x7f800000;
  return Bits<Vec>(value | endless | ((bits & 0x8000) << 16));
}
MCV_INLINE Vec LoadBf16(const std::byte* p, int count) { return Bits<Vec>(Load16(p, count) << 16); }
MCV_INLINE void StoreF16(std::byte* p, Vec v, int count) {
  for (int i = 0; i < count; ++i) {
    const uint16_t bits = FloatToHalf(v[i]);
    std::memcpy(p + 2 * i, &bits, sizeof bits);
  }
}
MCV_INLINE void StoreBf16(std::byte* p, Vec v, int count) {
  for (int i = 0; i < count; ++i) {
    const uint16_t bits = FloatToBf16(v[i]);
    std::memcpy(p + 2 * i, &bits, sizeof bits);
  }
}

// out[c * out_stride + r] = in[r * in_stride + c] for 4 x 4 words of 32 bits.
inline void TransposeTile(const uint32_t* in, int64_t in_stride, uint32_t* out,
                          int64_t out_stride) {
  for (int64_t c = 0; c < kLanes; ++c) {
    for (int64_t r = 0; r < kLanes; ++r) out[c * out_stride + r] = in[r * in_stride + c];
  }
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
