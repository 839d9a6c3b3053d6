// A few tokens times rows of Q8_0 or IQ4_NL: blocks of 32 signed numbers with a scale, read once
// and in place. Tokens are int8 in blocks of 32 too, so a block is one integer dot product. The
// multiplier wants unsigned times signed, so the token takes the weight's sign. Four rows give four
// chains of sums and, a quarter of the rows apart, four streams that the processor follows by
// itself (docs/decisions/2026-11-26-decode-from-memory.md). Types whose numbers are unsigned:
// nibble_dot.cc.
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
#include "kernels/x86_avx2/nibbles-inl.h"
// clang-format on

namespace mcv::x86_avx2 {
namespace {

constexpr int64_t BlockBytes(DType type) { return type == DType::kQ8_0 ? 34 : 18; }

// The 32 signed numbers that the scale multiplies.
template <DType kType>
MCV_INLINE __m256i UnpackQuants(const std::byte* block) {
  if constexpr (kType == DType::kQ8_0) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 2));
  }
  if constexpr (kType == DType::kIQ4_NL) return UnequalSteps(Nibbles(block + 2));
}

// Sums of four products w * q, both signed.
MCV_INLINE __m256i DotSigns(__m256i w, __m256i q) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

// kRows rows from `row` on, `apart` rows from each other, with kTokens tokens from `first` on.
template <DType kType, int kRows, int kTokens>
void BlockRows(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t first) {
  constexpr int64_t kBytes = BlockBytes(kType);
  const int64_t blocks = args.k / 32;
  const std::byte* rows = args.weights + row * args.row_bytes;
  __m256 sums[kRows][kTokens];
  MCV_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[r][t] = _mm256_setzero_ps();
  }
  for (int64_t b = 0; b < blocks; ++b) {
    MCV_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const std::byte* block = rows + r * apart * args.row_bytes + b * kBytes;
      const __m256i w = UnpackQuants<kType>(block);
      const float d = HalfAt(block);
      MCV_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const std::byte* token = args.tokens + (first + t) * args.token_bytes;
        const __m256i q = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(token + 32 * b));
        const float scale = reinterpret_cast<const float*>(token + args.k)[b];
        const Vec factor = Set(d * scale);
        sums[r][t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(DotSigns(w, q)), factor, sums[r][t]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int t = 0; t < kTokens; ++t) {
      args.out[(first + t) * args.out_stride + row + r * apart] = SumLanes(sums[r][t]);
    }
  }
}

template <DType kType>
struct SignedProduct {
  template <int kRows, int kTokens>
  static void Run(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t token) {
    BlockRows<kType, kRows, kTokens>(args, row, apart, token);
  }
};

template <DType kType>
constexpr DotKernel kKernel = {
    .max_tokens = 8,
    .packed_bytes = Token32Bytes,
    .pack_token = QuantizeToken32,
    .rows = RunTokenPairs<SignedProduct<kType>>,
};

}  // namespace
}  // namespace mcv::x86_avx2

MCV_REGION_END

namespace mcv::x86_avx2 {

const DotKernel* Block32Dot(DType type) {
  switch (type) {
    case DType::kQ8_0:
      return &kKernel<DType::kQ8_0>;
    case DType::kIQ4_NL:
      return &kKernel<DType::kIQ4_NL>;
    default:
      return nullptr;
  }
}

}  // namespace mcv::x86_avx2
