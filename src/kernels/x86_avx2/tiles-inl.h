// Sixteen rows of a weight at a time, times several tokens: what AVX2 and AVX-512 share of it.
// Include inside a region of either.
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

constexpr int kTileRows = 16;

// Where sixteen rows' super-blocks begin.
struct TileBlock {
  const std::byte* rows;
  int64_t stride;
};

MCV_INLINE __m256i TwoQuads(const std::byte* low, const std::byte* high) {
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low))),
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
}

// out[i] = word i of 16 bytes, of eight rows.
MCV_INLINE void InterleaveEight(const std::byte* rows, int64_t stride, __m256i (&out)[4]) {
  const std::byte* next = rows + 4 * stride;
  asm("" : "+r"(rows), "+r"(next));  // GCC 12 keeps every row's address otherwise, in memory
  __m256i a[4];
  MCV_UNROLL
  for (int i = 0; i < 4; ++i) a[i] = TwoQuads(rows + i * stride, next + i * stride);
  const __m256i low01 = _mm256_unpacklo_epi32(a[0], a[1]);
  const __m256i high01 = _mm256_unpackhi_epi32(a[0], a[1]);
  const __m256i low23 = _mm256_unpacklo_epi32(a[2], a[3]);
  const __m256i high23 = _mm256_unpackhi_epi32(a[2], a[3]);
  out[0] = _mm256_unpacklo_epi64(low01, low23);
  out[1] = _mm256_unpackhi_epi64(low01, low23);
  out[2] = _mm256_unpacklo_epi64(high01, high23);
  out[3] = _mm256_unpackhi_epi64(high01, high23);
}

// kMultiply(args, row, first_token, count) multiplies sixteen rows from `row` on with at most
// kMostTokens tokens. Of at least sixteen rows; the last sixteen may overlap those before, which
// get the same results again.
template <void (*kMultiply)(const DotKernel::Args&, int64_t, int64_t, int64_t), int64_t kMostTokens>
void RunTilesWith(const DotKernel::Args& args) {
  for (int64_t first = 0; first < args.rows; first += kTileRows) {
    const int64_t row = first + kTileRows <= args.rows ? first : args.rows - kTileRows;
    for (int64_t t = 0; t < args.num_tokens; t += kMostTokens) {
      const int64_t left = args.num_tokens - t;
      kMultiply(args, row, t, left < kMostTokens ? left : kMostTokens);
    }
  }
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
