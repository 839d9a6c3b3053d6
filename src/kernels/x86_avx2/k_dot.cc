// A few tokens times rows of the K types, read once and in place, with 8-bit products.
//
// vpmaddubsw multiplies unsigned quants with signed tokens and adds pairs to 16 bits (63 * 127 * 2
// fits), vpmaddwd multiplies those with the block's integer scale and adds pairs to 32 bits, so a
// super-block is an exact integer before the fp32 scales touch it. What the types subtract (the
// minimum of a Q4_K block, the 32 of Q6_K) comes from sums of the token's quants.
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
#include "kernels/x86_avx2/k_unpack-inl.h"
// clang-format on

namespace mcv::x86_avx2 {
namespace {

template <DType kType>
MCV_INLINE __m256 AddBlock(const Unpacked& u, const TokenBlock& token, __m256 sums) {
  __m256i dots = _mm256_setzero_si256();
  MCV_UNROLL
  for (int b = 0; b < 8; ++b) {
    const __m256i q = _mm256_load_si256(reinterpret_cast<const __m256i*>(token.q + 32 * b));
    const __m256i pairs = _mm256_maddubs_epi16(u.quants[b], q);
    dots = _mm256_add_epi32(dots, _mm256_madd_epi16(pairs, u.scales[b]));
  }
  constexpr bool kSumsOf32 = kType == DType::kQ4_K || kType == DType::kQ5_K;
  const __m256i token_sums =
      kSumsOf32 ? _mm256_zextsi128_si256(LoadHalfBytes(token.sums32)) : LoadBytes(token.sums16);
  const __m256i taken = _mm256_madd_epi16(u.sum_scales, token_sums);
  const __m256 factor = _mm256_set1_ps(u.d * token.scale);
  if constexpr (kType == DType::kQ6_K || kType == DType::kQ3_K) {
    constexpr int kOffsetBits = kType == DType::kQ6_K ? 5 : 2;
    dots = _mm256_sub_epi32(dots, _mm256_slli_epi32(taken, kOffsetBits));
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), factor, sums);
  } else {
    sums = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), factor, sums);
    return _mm256_fnmadd_ps(_mm256_cvtepi32_ps(taken), _mm256_set1_ps(u.dmin * token.scale), sums);
  }
}

// Rows lie behind each other, so this is soon needed, and the hardware's own streams stop at every
// page: on Zen 3 reading Q4_K goes from 0.69 to 0.75 of the memory's rate, Q6_K from 0.66 to 0.78.
// Walking two or four rows side by side instead was slower (0.4 to 0.5). Past the last row this
// touches nothing: a prefetch cannot fault.
MCV_INLINE void PrefetchAhead(const std::byte* block, int64_t bytes) {
  constexpr int64_t kAhead = 1024;
  for (int64_t i = 0; i < bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(block + kAhead + i), _MM_HINT_T0);
  }
}

template <DType kType, int kTokens>
void RunTokens(const DotKernel::Args& args, int64_t first) {
  constexpr int64_t kBytes = KBlockBytes(kType);
  const int64_t blocks = args.k / kSuperBlock;
  for (int64_t r = 0; r < args.rows; ++r) {
    const std::byte* row = args.weights + r * args.row_bytes;
    __m256 sums[kTokens];
    for (int t = 0; t < kTokens; ++t) sums[t] = _mm256_setzero_ps();
    for (int64_t b = 0; b < blocks; ++b) {
      PrefetchAhead(row + b * kBytes, kBytes);
      Unpacked u;
      UnpackBlock<kType>(row + b * kBytes, &u);
      MCV_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const auto* token =
            reinterpret_cast<const TokenBlock*>(args.tokens + (first + t) * args.token_bytes);
        sums[t] = AddBlock<kType>(u, token[b], sums[t]);
      }
    }
    for (int t = 0; t < kTokens; ++t)
      args.out[(first + t) * args.out_stride + r] = SumLanes(sums[t]);
  }
}

template <DType kType>
void DotRows(const DotKernel::Args& args) {
  int64_t t = 0;
  for (; t + 4 <= args.num_tokens; t += 4) RunTokens<kType, 4>(args, t);
  for (; t + 2 <= args.num_tokens; t += 2) RunTokens<kType, 2>(args, t);
  if (t < args.num_tokens) RunTokens<kType, 1>(args, t);
}

}  // namespace
}  // namespace mcv::x86_avx2

MCV_REGION_END

namespace mcv::x86_avx2 {

const DotKernel* KDot(DType type) {
  // From here on a panel is faster (4096 x 4096 on Zen 3, two threads: Q4_K with 12 tokens 5.4 ms
  // here, 4.0 ms there; Q6_K with 18 tokens 9.8 and 10.4 ms).
  static constexpr int64_t kFourBits = 8;
  static constexpr int64_t kSixBits = 18;
  static constexpr auto kPack = QuantizeToken<BlockOrder::kNatural>;
  static constexpr DotKernel q2 = {kSixBits, TokenBytes, kPack, DotRows<DType::kQ2_K>};
  static constexpr DotKernel q3 = {kSixBits, TokenBytes, kPack, DotRows<DType::kQ3_K>};
  static constexpr DotKernel q4 = {kFourBits, TokenBytes, kPack, DotRows<DType::kQ4_K>};
  static constexpr DotKernel q5 = {kFourBits, TokenBytes, kPack, DotRows<DType::kQ5_K>};
  static constexpr DotKernel q6 = {kSixBits, TokenBytes, kPack, DotRows<DType::kQ6_K>};
  switch (type) {
    case DType::kQ2_K:
      return &q2;
    case DType::kQ3_K:
      return &q3;
    case DType::kQ4_K:
      return &q4;
    case DType::kQ5_K:
      return &q5;
    case DType::kQ6_K:
      return &q6;
    default:
      return nullptr;
  }
}

}  // namespace mcv::x86_avx2
