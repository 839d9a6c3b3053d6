// A few tokens times Q8_0 rows, read once and in place. Both sides are signed; the multiplier wants
// unsigned times signed, so the token takes the weight's sign. Four rows give four chains of sums.
// Include inside an x86 region, after int8_token-inl.h and a DotSigns().
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

template <int kRows, int kTokens>
void Q8Rows(const DotKernel::Args& args, int64_t row, int64_t first) {
  constexpr int64_t kBlockBytes = 34;
  const std::byte* rows = args.weights + row * args.row_bytes;
  __m256 sums[kRows][kTokens];
  MCV_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[r][t] = _mm256_setzero_ps();
  }
  for (int64_t b = 0; b < args.k / 32; ++b) {
    MCV_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const std::byte* block = rows + r * args.row_bytes + b * kBlockBytes;
      uint16_t half;
      __builtin_memcpy(&half, block, sizeof half);
      const __m128 d = _mm_cvtph_ps(_mm_cvtsi32_si128(half));
      const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 2));
      MCV_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const std::byte* token = args.tokens + (first + t) * args.token_bytes;
        const __m256i q = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(token + 32 * b));
        const __m128 scale = _mm_load_ss(reinterpret_cast<const float*>(token + args.k) + b);
        const __m256 factor = _mm256_broadcastss_ps(_mm_mul_ss(d, scale));
        sums[r][t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(DotSigns(w, q)), factor, sums[r][t]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int t = 0; t < kTokens; ++t) {
      __m128 sum =
          _mm_add_ps(_mm256_castps256_ps128(sums[r][t]), _mm256_extractf128_ps(sums[r][t], 1));
      sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
      args.out[(first + t) * args.out_stride + row + r] =
          _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
    }
  }
}

template <int kTokens>
void Q8Tokens(const DotKernel::Args& args, int64_t first) {
  int64_t r = 0;
  for (; r + 4 <= args.rows; r += 4) Q8Rows<4, kTokens>(args, r, first);
  for (; r < args.rows; ++r) Q8Rows<1, kTokens>(args, r, first);
}

void Q8DotRows(const DotKernel::Args& args) {
  int64_t t = 0;
  for (; t + 2 <= args.num_tokens; t += 2) Q8Tokens<2>(args, t);
  if (t < args.num_tokens) Q8Tokens<1>(args, t);
}

constexpr DotKernel kQ8Dot = {
    .max_tokens = 6,
    .packed_bytes = Q8TokenBytes,
    .pack_token = QuantizeQ8Token,
    .rows = Q8DotRows,
};

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
