// Rows of quantised weights to fp32, eight elements at a time, in the reference's order of
// operations, so that every value is equal to the last bit (no fused multiply-add here).
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/generic/region.h"
#include "kernels/x86_avx2/leaf.h"

#define MCV_TARGET_NS x86_avx2

MCV_REGION_BEGIN("avx2,fma,f16c,bmi,bmi2")

// clang-format off
#include "kernels/x86_avx2/vec.h"
#include "kernels/x86_avx2/k_unpack-inl.h"
#include "kernels/x86_avx2/nibbles-inl.h"
// clang-format on

namespace mcv::x86_avx2 {
namespace {

// Eight bytes of 0..255 as floats, minus offset.
MCV_INLINE __m256 Widen(const uint8_t* p, int offset) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(
      _mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(offset)));
}

template <DType kType>
void LoadKRow(const std::byte* row, int64_t n, float* out) {
  constexpr bool kMinima = kType == DType::kQ4_K || kType == DType::kQ5_K;
  constexpr int kRun = kMinima ? 32 : 16;  // elements that share a scale
  for (int64_t i = 0; i < n; i += 256, row += KBlockBytes(kType), out += 256) {
    Unpacked u;
    UnpackBlock<kType>(row, &u);
    alignas(32) uint8_t quants[256];
    alignas(32) int16_t scales[8][16];
    alignas(32) int16_t minima[16];
    for (int v = 0; v < 8; ++v) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(quants + 32 * v), u.quants[v]);
      _mm256_store_si256(reinterpret_cast<__m256i*>(scales[v]), u.scales[v]);
    }
    _mm256_store_si256(reinterpret_cast<__m256i*>(minima), u.sum_scales);
    for (int r = 0; r < 256 / kRun; ++r) {
      const int v = r * kRun / 32;
      const __m256 scale = _mm256_set1_ps(u.d * static_cast<float>(scales[v][r * kRun % 32 / 2]));
      for (int j = r * kRun; j < (r + 1) * kRun; j += 8) {
        if constexpr (kMinima) {
          const __m256 minimum = _mm256_set1_ps(u.dmin * static_cast<float>(minima[r]));
          _mm256_storeu_ps(out + j,
                           _mm256_sub_ps(_mm256_mul_ps(scale, Widen(quants + j, 0)), minimum));
        } else {
          _mm256_storeu_ps(out + j, _mm256_mul_ps(scale, Widen(quants + j, 32)));
        }
      }
    }
  }
}

void LoadQ8Row(const std::byte* row, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 32, row += 34) {
    const __m256 d = _mm256_set1_ps(HalfAt(row));
    for (int64_t j = 0; j < 32; j += 8) {
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + 2 + j));
      const __m256 q = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
      _mm256_storeu_ps(out + i + j, _mm256_mul_ps(q, d));
    }
  }
}

template <DType kType>
void LoadNibbleRow(const std::byte* row, int64_t n, float* out) {
  constexpr NibbleLayout layout = LayoutOf<kType>();
  for (int64_t i = 0; i < n; i += 32, row += layout.bytes) {
    alignas(32) uint8_t quants[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(quants), UnpackUnsigned<kType>(row));
    const __m256 d = _mm256_set1_ps(HalfAt(row));
    for (int64_t j = 0; j < 32; j += 8) {
      __m256 v = _mm256_mul_ps(Widen(quants + j, static_cast<int>(-layout.offset)), d);
      if constexpr (layout.minimum) v = _mm256_add_ps(v, _mm256_set1_ps(HalfAt(row + 2)));
      _mm256_storeu_ps(out + i + j, v);
    }
  }
}

void LoadUnequalRow(const std::byte* row, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 32, row += 18) {
    alignas(32) int8_t steps[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(steps), UnequalSteps(Nibbles(row + 2)));
    const __m256 d = _mm256_set1_ps(HalfAt(row));
    for (int64_t j = 0; j < 32; j += 8) {
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(steps + j));
      const __m256 q = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
      _mm256_storeu_ps(out + i + j, _mm256_mul_ps(q, d));
    }
  }
}

}  // namespace
}  // namespace mcv::x86_avx2

MCV_REGION_END

namespace mcv::x86_avx2 {

void LoadQuantisedRow(DType type, const std::byte* row, int64_t n, float* out) {
  switch (type) {
    case DType::kQ4_K:
      return LoadKRow<DType::kQ4_K>(row, n, out);
    case DType::kQ5_K:
      return LoadKRow<DType::kQ5_K>(row, n, out);
    case DType::kQ6_K:
      return LoadKRow<DType::kQ6_K>(row, n, out);
    case DType::kQ8_0:
      return LoadQ8Row(row, n, out);
    case DType::kQ4_0:
      return LoadNibbleRow<DType::kQ4_0>(row, n, out);
    case DType::kQ4_1:
      return LoadNibbleRow<DType::kQ4_1>(row, n, out);
    case DType::kQ5_0:
      return LoadNibbleRow<DType::kQ5_0>(row, n, out);
    case DType::kQ5_1:
      return LoadNibbleRow<DType::kQ5_1>(row, n, out);
    case DType::kIQ4_NL:
      return LoadUnequalRow(row, n, out);
    default:
      return RefTable().load_row(type, row, n, out);
  }
}

}  // namespace mcv::x86_avx2
