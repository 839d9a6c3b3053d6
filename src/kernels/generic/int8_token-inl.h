// Tokens as int8: in blocks of 256 with one fp32 scale for the K types, in blocks of 32 for the
// simple types. Include inside a region, after vec.h.
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

constexpr int64_t kSuperBlock = 256;

// Order of the 32-element blocks in a TokenBlock: the file's, or the one in which a 64-byte load of
// Q4_K nibbles meets them (two low halves, then the two high halves of the same bytes).
enum class BlockOrder { kNatural, kNibblePairs };

struct alignas(64) TokenBlock {
  int8_t q[kSuperBlock];
  int16_t sums16[16];  // of 16 q each, in the file's order
  int16_t sums32[8];   // of 32 q each, in the file's order
  float scale;         // x = scale * q
};

// max |x| over n elements; NaN if any of them is NaN or infinite, and so are then the scale and
// every product with it: rounded to whole numbers they would pass as zeros.
MCV_INLINE float LargestMagnitude(const float* x, int64_t n) {
  constexpr int64_t kStep = 2 * kLanes;
  const int64_t whole = n / kStep * kStep;
  Vec high[2] = {Zero(), Zero()};
  Vec zeros[2] = {Zero(), Zero()};  // 0 * x: a zero of each finite one
  for (int64_t i = 0; i < whole; i += kStep) {
    for (int v = 0; v < 2; ++v) {
      const Vec value = Load(x + i + v * kLanes);
      high[v] = Max(high[v], Abs(value));
      zeros[v] = Fma(value, Zero(), zeros[v]);
    }
  }
  for (int64_t i = whole; i < n; i += kLanes) {
    const Vec value = LoadN(x + i, Take(n - i));
    high[0] = Max(high[0], Abs(value));
    zeros[0] = Fma(value, Zero(), zeros[0]);
  }
  return MaxLane(Max(high[0], high[1])) + SumLanes(Add(zeros[0], zeros[1]));
}

// What turns values of at most `largest` into whole numbers of at most `most`. Zero where there is
// nothing to scale by: of values too small for their inverse, and of those that are no numbers.
MCV_INLINE float InverseScale(float largest, float most) {
  constexpr float kTooSmall = 0x1p-100f;
  return largest > kTooSmall ? most / largest : 0.0f;
}

// Of whole numbers that fit; zero where one of them is none, which the block's scale says too.
MCV_INLINE int16_t WholeSum(Vec v) {
  const float sum = SumLanes(v);
  return sum == sum ? static_cast<int16_t>(sum) : int16_t{0};
}

template <BlockOrder kOrder>
void QuantizeToken(const float* x, int64_t k, std::byte* packed) {
  constexpr int kPlace[8] = {0, 2, 1, 3, 4, 6, 5, 7};
  auto* block = reinterpret_cast<TokenBlock*>(packed);
  for (int64_t i = 0; i < k; i += kSuperBlock, ++block) {
    const float largest = LargestMagnitude(x + i, kSuperBlock);
    const Vec inverse = Set(InverseScale(largest, 127.0f));
    block->scale = largest / 127.0f;
    for (int j = 0; j < 16; ++j) {
      const int place = kOrder == BlockOrder::kNatural ? j : 2 * kPlace[j / 2] + j % 2;
      Vec sum = Zero();
      for (int part = 0; part < 16; part += kLanes) {
        const Vec q = Round(Mul(Load(x + i + 16 * j + part), inverse));
        StoreInt8(block->q + 16 * place + part, q);
        sum = Add(sum, q);  // whole numbers, so the sum is exact
      }
      block->sums16[j] = WholeSum(sum);
    }
    for (int b = 0; b < 8; ++b) {
      block->sums32[b] = static_cast<int16_t>(block->sums16[2 * b] + block->sums16[2 * b + 1]);
    }
  }
}

inline int64_t TokenBytes(int64_t k) {
  return k / kSuperBlock * static_cast<int64_t>(sizeof(TokenBlock));
}

// 32 values: quants with their scale, and scale * sum of the quants.
MCV_INLINE void QuantizeBlock32(const float* x, int8_t* quants, float* scale, float* scaled_sum) {
  const float largest = LargestMagnitude(x, 32);
  const Vec inverse = Set(InverseScale(largest, 127.0f));
  Vec sum = Zero();
  for (int64_t j = 0; j < 32; j += kLanes) {
    const Vec q = Round(Mul(Load(x + j), inverse));
    StoreInt8(quants + j, q);
    sum = Add(sum, q);
  }
  *scale = largest / 127.0f;
  *scaled_sum = *scale * SumLanes(sum);
}

// For types in blocks of 32: k quants, k / 32 scales, and k / 32 times scale * sum of the quants.
inline int64_t Token32Bytes(int64_t k) { return k + k / 32 * 8; }

inline void QuantizeToken32(const float* x, int64_t k, std::byte* packed) {
  auto* quants = reinterpret_cast<int8_t*>(packed);
  auto* scales = reinterpret_cast<float*>(packed + k);
  float* sums = scales + k / 32;
  for (int64_t i = 0; i < k; i += 32) {
    QuantizeBlock32(x + i, quants + i, scales + i / 32, sums + i / 32);
  }
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
