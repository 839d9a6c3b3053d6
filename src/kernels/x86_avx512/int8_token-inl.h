// Tokens as int8 in blocks of 256 with one fp32 scale, for the K types. Include inside a region,
// after vec.h.
#pragma once

namespace mcv::x86_avx512 {
namespace {

constexpr int64_t kSuperBlock = 256;

// Lanes of 32-element blocks in a TokenBlock: file order, or the order in which a 64-byte load of
// Q4_K nibbles meets them (two low halves, then the two high halves of the same bytes).
enum class BlockOrder { kNatural, kNibblePairs };

struct alignas(64) TokenBlock {
  int8_t q[kSuperBlock];
  int16_t sums[16];  // of 16 q each (kNatural) or the first 8 of 32 q each (kNibblePairs)
  float scale;       // x = scale * q
};

// max |x| over n <= 256 elements.
MCV_INLINE float LargestMagnitude(const float* x, int64_t n) {
  Vec high = Zero();
  for (int64_t i = 0; i < n; i += kLanes) high = Max(high, Abs(LoadN(x + i, Take(n - i))));
  return MaxLane(high);
}

// 16 elements as int8-ranged int32, nearest, ties to even.
MCV_INLINE __m512i Quantize16(Vec x, Vec inverse) { return _mm512_cvtps_epi32(Mul(x, inverse)); }

template <BlockOrder kOrder>
void QuantizeToken(const float* x, int64_t k, std::byte* packed) {
  constexpr int kPlace[8] = {0, 2, 1, 3, 4, 6, 5, 7};
  auto* block = reinterpret_cast<TokenBlock*>(packed);
  for (int64_t i = 0; i < k; i += kSuperBlock, ++block) {
    const float largest = LargestMagnitude(x + i, kSuperBlock);
    const Vec inverse = Set(largest > 0 ? 127.0f / largest : 0.0f);
    block->scale = largest / 127.0f;
    for (int j = 0; j < 16; ++j) {
      const __m512i q = Quantize16(Load(x + i + j * kLanes), inverse);
      const int place = kOrder == BlockOrder::kNatural ? j : 2 * kPlace[j / 2] + j % 2;
      _mm_store_si128(reinterpret_cast<__m128i*>(block->q + place * kLanes),
                      _mm512_cvtepi32_epi8(q));
      block->sums[j] = static_cast<int16_t>(_mm512_reduce_add_epi32(q));
    }
    if (kOrder == BlockOrder::kNibblePairs) {
      for (int b = 0; b < 8; ++b) {
        block->sums[b] = static_cast<int16_t>(block->sums[2 * b] + block->sums[2 * b + 1]);
      }
    }
  }
}

inline int64_t TokenBytes(int64_t k) { return k / kSuperBlock * static_cast<int64_t>(sizeof(TokenBlock)); }

}  // namespace
}  // namespace mcv::x86_avx512
