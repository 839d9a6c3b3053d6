// The simple types: 32 elements, one scale, perhaps one minimum. The quantisers are deterministic
// and equal to the reference's: products with the fp32 reciprocal of the scale, which is rounded to
// a half only when it is stored.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "formats/quant/block_codecs.h"

namespace mcv {
namespace {

constexpr int kHalfBlock = 16;

// The value farthest from zero, with its sign; the first one of equals.
float SignedPeak(const float* values, int count) {
  float peak = 0.0f;
  for (int i = 0; i < count; ++i) {
    if (std::fabs(values[i]) > std::fabs(peak)) peak = values[i];
  }
  return peak;
}

// 1/d, or 0 where it would be infinite: such a scale is far below the smallest half, so every
// element is stored as zero whatever its integer says.
float Reciprocal(float d) {
  if (d == 0.0f) return 0.0f;
  const float inverse = 1.0f / d;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

// Truncates toward zero like the reference; the arguments are never negative beyond rounding.
int TruncateTo(float value, int max) { return std::min(max, static_cast<int>(value)); }

uint32_t LoadBits(const uint8_t (&bytes)[4]) {
  uint32_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return bits;
}

// Nibbles of element j and j+16, and the fifth bits where there are some.
template <typename Block>
int LowValue(const Block& block, int j) {
  return block.qs[j] & 15;
}
template <typename Block>
int HighValue(const Block& block, int j) {
  return block.qs[j] >> 4;
}

void PackNibbles(const uint8_t (&values)[32], uint8_t (&qs)[16]) {
  for (int j = 0; j < kHalfBlock; ++j) {
    qs[j] = static_cast<uint8_t>((values[j] & 15) | (values[j + kHalfBlock] & 15) << 4);
  }
}

void PackFifthBits(const uint8_t (&values)[32], uint8_t (&qh)[4]) {
  uint32_t bits = 0;
  for (int j = 0; j < 32; ++j) bits |= static_cast<uint32_t>(values[j] >> 4 & 1) << j;
  std::memcpy(qh, &bits, sizeof(bits));
}

// Q4_0 and Q5_0: integers 0..2^bits-1 around the middle; the peak lands on the most negative one.
// Returns the scale.
float QuantizeSymmetric(const float* in, int middle, uint8_t (&values)[32]) {
  const float d = SignedPeak(in, 32) / static_cast<float>(-middle);
  const float inverse = Reciprocal(d);
  for (int j = 0; j < 32; ++j) {
    values[j] = static_cast<uint8_t>(
        TruncateTo(in[j] * inverse + (static_cast<float>(middle) + 0.5f), 2 * middle - 1));
  }
  return d;
}

struct Affine {
  float scale;
  float min;
};

// Q4_1 and Q5_1: integers 0..max from the smallest value to the largest.
Affine QuantizeAffine(const float* in, int max, uint8_t (&values)[32]) {
  const auto [low, high] = std::minmax_element(in, in + 32);
  const float min = *low;
  const float d = (*high - min) / static_cast<float>(max);
  const float inverse = Reciprocal(d);
  for (int j = 0; j < 32; ++j) {
    values[j] = static_cast<uint8_t>(TruncateTo((in[j] - min) * inverse + 0.5f, max));
  }
  return {d, min};
}

}  // namespace

void DequantizeBlocks(const BlockQ4_0* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i, out += 32) {
    const float d = LoadHalf(blocks[i].d);
    for (int j = 0; j < kHalfBlock; ++j) {
      out[j] = static_cast<float>(LowValue(blocks[i], j) - 8) * d;
      out[j + kHalfBlock] = static_cast<float>(HighValue(blocks[i], j) - 8) * d;
    }
  }
}

void DequantizeBlocks(const BlockQ4_1* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i, out += 32) {
    const float d = LoadHalf(blocks[i].d);
    const float m = LoadHalf(blocks[i].m);
    for (int j = 0; j < kHalfBlock; ++j) {
      out[j] = static_cast<float>(LowValue(blocks[i], j)) * d + m;
      out[j + kHalfBlock] = static_cast<float>(HighValue(blocks[i], j)) * d + m;
    }
  }
}

void DequantizeBlocks(const BlockQ5_0* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i, out += 32) {
    const float d = LoadHalf(blocks[i].d);
    const uint32_t bits = LoadBits(blocks[i].qh);
    for (int j = 0; j < kHalfBlock; ++j) {
      const int low = LowValue(blocks[i], j) | static_cast<int>(bits >> j & 1) << 4;
      const int high = HighValue(blocks[i], j) | static_cast<int>(bits >> (j + 16) & 1) << 4;
      out[j] = static_cast<float>(low - 16) * d;
      out[j + kHalfBlock] = static_cast<float>(high - 16) * d;
    }
  }
}

void DequantizeBlocks(const BlockQ5_1* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i, out += 32) {
    const float d = LoadHalf(blocks[i].d);
    const float m = LoadHalf(blocks[i].m);
    const uint32_t bits = LoadBits(blocks[i].qh);
    for (int j = 0; j < kHalfBlock; ++j) {
      const int low = LowValue(blocks[i], j) | static_cast<int>(bits >> j & 1) << 4;
      const int high = HighValue(blocks[i], j) | static_cast<int>(bits >> (j + 16) & 1) << 4;
      out[j] = static_cast<float>(low) * d + m;
      out[j + kHalfBlock] = static_cast<float>(high) * d + m;
    }
  }
}

void DequantizeBlocks(const BlockQ8_0* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i, out += 32) {
    const float d = LoadHalf(blocks[i].d);
    for (int j = 0; j < 32; ++j) out[j] = static_cast<float>(blocks[i].qs[j]) * d;
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ4_0* blocks) {
  uint8_t values[32];
  for (size_t i = 0; i < count; ++i, in += 32) {
    StoreHalf(QuantizeSymmetric(in, 8, values), blocks[i].d);
    PackNibbles(values, blocks[i].qs);
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ4_1* blocks) {
  uint8_t values[32];
  for (size_t i = 0; i < count; ++i, in += 32) {
    const Affine affine = QuantizeAffine(in, 15, values);
    StoreHalf(affine.scale, blocks[i].d);
    StoreHalf(affine.min, blocks[i].m);
    PackNibbles(values, blocks[i].qs);
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ5_0* blocks) {
  uint8_t values[32];
  for (size_t i = 0; i < count; ++i, in += 32) {
    StoreHalf(QuantizeSymmetric(in, 16, values), blocks[i].d);
    PackNibbles(values, blocks[i].qs);
    PackFifthBits(values, blocks[i].qh);
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ5_1* blocks) {
  uint8_t values[32];
  for (size_t i = 0; i < count; ++i, in += 32) {
    const Affine affine = QuantizeAffine(in, 31, values);
    StoreHalf(affine.scale, blocks[i].d);
    StoreHalf(affine.min, blocks[i].m);
    PackNibbles(values, blocks[i].qs);
    PackFifthBits(values, blocks[i].qh);
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ8_0* blocks) {
  for (size_t i = 0; i < count; ++i, in += 32) {
    const float d = std::fabs(SignedPeak(in, 32)) / 127.0f;
    const float inverse = Reciprocal(d);
    StoreHalf(d, blocks[i].d);
    for (int j = 0; j < 32; ++j) {
      blocks[i].qs[j] = static_cast<int8_t>(std::round(in[j] * inverse));
    }
  }
}

}  // namespace mcv
