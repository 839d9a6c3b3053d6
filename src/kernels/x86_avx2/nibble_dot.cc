// A few tokens times rows of Q4_0, Q4_1, Q5_0 or Q5_1, read once and in place.
//
// Tokens are int8 with a scale for 32 elements. The file's numbers are unsigned, which is what the
// multiplier wants on one side; what they are offset by comes in through the sums of the token's
// quants, eight blocks at a time. Two blocks share a vector: their low nibbles are one, their high
// nibbles the other, and the packed token is ordered to meet them.
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

// k quants, k / 32 scales, k / 32 times scale * sum of the quants, as for the other types; but in
// whole groups the first halves of every two blocks come first: a 0..15, b 0..15, a 16..31,
// b 16..31.
void PackToken(const float* x, int64_t k, std::byte* packed) {
  QuantizeToken32(x, k, packed);
  constexpr int64_t kHalf = kElements / 2;
  for (int64_t i = 0; i < k / kGroup * kGroup; i += 2 * kElements) {
    std::byte* a_high = packed + i + kHalf;
    std::byte* b_low = packed + i + 2 * kHalf;
    const __m128i high = LoadHalfBytes(a_high);
    const __m128i low = LoadHalfBytes(b_low);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(a_high), low);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(b_low), high);
  }
}

// A packed token from one block on.
struct Token {
  const std::byte* quants;
  const float* scales;
  const float* sums;
};

MCV_INLINE Token TokenAt(const DotKernel::Args& args, int64_t t, int64_t block) {
  const std::byte* token = args.tokens + t * args.token_bytes;
  const auto* scales = reinterpret_cast<const float*>(token + args.k);
  return {token + block * kElements, scales + block, scales + args.k / kElements + block};
}

// Four lanes of factor a, four of factor a + 1.
template <int kPair>
MCV_INLINE Vec PairFactors(Vec factors) {
  constexpr int a = 2 * kPair, b = a + 1;
  return _mm256_permutevar8x32_ps(factors, _mm256_setr_epi32(a, a, a, a, b, b, b, b));
}

// Elements 0..15 of two neighbouring blocks, and their elements 16..31.
struct PairQuants {
  __m256i low, high;
};

template <DType kType>
MCV_INLINE PairQuants UnpackPair(const std::byte* block) {
  constexpr NibbleLayout layout = LayoutOf<kType>();
  const __m256i both = _mm256_set_m128i(LoadHalfBytes(block + layout.bytes + layout.nibbles),
                                        LoadHalfBytes(block + layout.nibbles));
  const __m256i mask = Bytes(0x0f);
  PairQuants q = {_mm256_and_si256(both, mask), _mm256_and_si256(_mm256_srli_epi16(both, 4), mask)};
  if constexpr (layout.fifth_bits != 0) {
    const __m256i bits = _mm256_blend_epi32(
        _mm256_set1_epi32(LoadWord(block + layout.fifth_bits)),
        _mm256_set1_epi32(LoadWord(block + layout.bytes + layout.fifth_bits)), 0xf0);
    const __m256i first = _mm256_setr_epi64x(0, 0x0101010101010101, 0, 0x0101010101010101);
    const __m256i second = _mm256_add_epi8(first, Bytes(2));
    q.low = _mm256_or_si256(q.low, FifthBits(bits, first));
    q.high = _mm256_or_si256(q.high, FifthBits(bits, second));
  }
  return q;
}

// Sums of eight products: 31 * 127 * 4 fits 16 bits.
MCV_INLINE Vec DotPair(const PairQuants& q, const std::byte* token) {
  const __m256i low = _mm256_maddubs_epi16(q.low, LoadBytes(token));
  const __m256i high = _mm256_maddubs_epi16(q.high, LoadBytes(token + kElements));
  const __m256i ones = _mm256_set1_epi16(1);
  return _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_add_epi16(low, high), ones));
}

template <DType kType, int kPair, int kTokens>
MCV_INLINE void AddPair(const std::byte* blocks, const Token (&tokens)[kTokens],
                        const Vec (&factors)[kTokens], Vec (&sums)[kTokens]) {
  const PairQuants q = UnpackPair<kType>(blocks + 2 * kPair * LayoutOf<kType>().bytes);
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const Vec dot = DotPair(q, tokens[t].quants + 2 * kPair * kElements);
    sums[t] = Fma(dot, PairFactors<kPair>(factors[t]), sums[t]);
  }
}

// Eight blocks of one row.
template <DType kType, int kTokens>
MCV_INLINE void AddGroup(const std::byte* blocks, const Token (&tokens)[kTokens],
                         Vec (&sums)[kTokens]) {
  constexpr NibbleLayout layout = LayoutOf<kType>();
  const Vec d = LoadHalves<layout.bytes>(blocks);
  const Vec m = layout.minimum ? LoadHalves<layout.bytes>(blocks + 2) : Mul(d, Set(layout.offset));
  Vec factors[kTokens];
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    factors[t] = Mul(d, Load(tokens[t].scales));
    sums[t] = Fma(m, Load(tokens[t].sums), sums[t]);
  }
  AddPair<kType, 0>(blocks, tokens, factors, sums);
  AddPair<kType, 1>(blocks, tokens, factors, sums);
  AddPair<kType, 2>(blocks, tokens, factors, sums);
  AddPair<kType, 3>(blocks, tokens, factors, sums);
}

// The dot product of the blocks behind the last whole group, fewer than eight.
template <DType kType>
float DotRest(const std::byte* block, const Token& token, int64_t count) {
  float total = 0;
  for (int64_t b = 0; b < count; ++b, block += LayoutOf<kType>().bytes) {
    const __m256i pairs =
        _mm256_maddubs_epi16(UnpackUnsigned<kType>(block), LoadBytes(token.quants + b * kElements));
    const Vec dot = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    const float d = HalfAt(block);
    const float m = OffsetAt<kType>(block, d);
    total += d * token.scales[b] * SumLanes(dot) + m * token.sums[b];
  }
  return total;
}

// kRows rows from `row` on, `apart` rows from each other, with kTokens tokens from `first` on.
template <DType kType, int kRows, int kTokens>
void GroupRows(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t first) {
  constexpr int64_t kBytes = LayoutOf<kType>().bytes;
  const std::byte* rows = args.weights + row * args.row_bytes;
  const int64_t blocks = args.k / kElements;
  const int64_t whole = blocks / kLanes * kLanes;
  Vec sums[kRows][kTokens];
  MCV_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[r][t] = Zero();
  }
  for (int64_t b = 0; b < whole; b += kLanes) {
    Token tokens[kTokens];
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) tokens[t] = TokenAt(args, first + t, b);
    MCV_UNROLL
    for (int r = 0; r < kRows; ++r) {
      AddGroup<kType>(rows + r * apart * args.row_bytes + b * kBytes, tokens, sums[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const std::byte* rest = rows + r * apart * args.row_bytes + whole * kBytes;
    for (int t = 0; t < kTokens; ++t) {
      float sum = SumLanes(sums[r][t]);
      if (whole < blocks) {
        sum += DotRest<kType>(rest, TokenAt(args, first + t, whole), blocks - whole);
      }
      args.out[(first + t) * args.out_stride + row + r * apart] = sum;
    }
  }
}

template <DType kType>
struct NibbleProduct {
  template <int kRows, int kTokens>
  static void Run(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t token) {
    GroupRows<kType, kRows, kTokens>(args, row, apart, token);
  }
};

template <DType kType>
constexpr DotKernel kKernel = {
    .max_tokens = 4,
    .packed_bytes = Token32Bytes,
    .pack_token = PackToken,
    .rows = RunTokenPairs<NibbleProduct<kType>>,
};

}  // namespace
}  // namespace mcv::x86_avx2

MCV_REGION_END

namespace mcv::x86_avx2 {

const DotKernel* NibbleDot(DType type) {
  switch (type) {
    case DType::kQ4_0:
      return &kKernel<DType::kQ4_0>;
    case DType::kQ4_1:
      return &kKernel<DType::kQ4_1>;
    case DType::kQ5_0:
      return &kKernel<DType::kQ5_0>;
    case DType::kQ5_1:
      return &kKernel<DType::kQ5_1>;
    default:
      return nullptr;
  }
}

}  // namespace mcv::x86_avx2
