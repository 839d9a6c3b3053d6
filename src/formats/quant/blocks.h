// The bytes of every quantised block, in file order. All fields are bytes, so a block may lie at
// any address; 16-bit fields are little-endian IEEE halves.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/half.h"

namespace mcv {

using HalfBytes = uint8_t[2];

inline float LoadHalf(const HalfBytes& bytes) {
  return HalfToFloat(static_cast<uint16_t>(bytes[0] | bytes[1] << 8));
}
inline void StoreHalf(float value, HalfBytes& bytes) {
  const uint16_t bits = FloatToHalf(value);
  bytes[0] = static_cast<uint8_t>(bits & 0xff);
  bytes[1] = static_cast<uint8_t>(bits >> 8);
}

// 32 elements. Low nibbles of qs are elements 0..15, high nibbles 16..31.
struct BlockQ4_0 {
  static constexpr size_t kElements = 32;
  HalfBytes d;
  uint8_t qs[16];
};
struct BlockQ4_1 {
  static constexpr size_t kElements = 32;
  HalfBytes d;
  HalfBytes m;
  uint8_t qs[16];
};
// qh holds the fifth bit: bit j of the 32-bit little-endian number belongs to element j.
struct BlockQ5_0 {
  static constexpr size_t kElements = 32;
  HalfBytes d;
  uint8_t qh[4];
  uint8_t qs[16];
};
struct BlockQ5_1 {
  static constexpr size_t kElements = 32;
  HalfBytes d;
  HalfBytes m;
  uint8_t qh[4];
  uint8_t qs[16];
};
struct BlockQ8_0 {
  static constexpr size_t kElements = 32;
  HalfBytes d;
  int8_t qs[32];
};
// Nibbles index kIq4NlValues.
struct BlockIQ4_NL {
  static constexpr size_t kElements = 32;
  HalfBytes d;
  uint8_t qs[16];
};
inline constexpr int8_t kIq4NlValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                            1,    13,   25,  38,  53,  69,  89,  113};

// 256 elements in sub-blocks of 16 or 32 with small integer scales.
// Low nibble of scales: scale; high nibble: minimum. Two-bit values, four to a byte.
struct BlockQ2_K {
  static constexpr size_t kElements = 256;
  uint8_t scales[16];
  uint8_t qs[64];
  HalfBytes d;
  HalfBytes dmin;
};
// hmask holds the third bit (set: no subtraction of 4); scales are sixteen 6-bit numbers.
struct BlockQ3_K {
  static constexpr size_t kElements = 256;
  uint8_t hmask[32];
  uint8_t qs[64];
  uint8_t scales[12];
  HalfBytes d;
};
// scales: eight pairs of a 6-bit scale and a 6-bit minimum, see ScaleMin.
struct BlockQ4_K {
  static constexpr size_t kElements = 256;
  HalfBytes d;
  HalfBytes dmin;
  uint8_t scales[12];
  uint8_t qs[128];
};
struct BlockQ5_K {
  static constexpr size_t kElements = 256;
  HalfBytes d;
  HalfBytes dmin;
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};
struct BlockQ6_K {
  static constexpr size_t kElements = 256;
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  HalfBytes d;
};

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22 &&
              sizeof(BlockQ5_1) == 24 && sizeof(BlockQ8_0) == 34 && sizeof(BlockIQ4_NL) == 18);
static_assert(sizeof(BlockQ2_K) == 84 && sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144 &&
              sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);

// One sub-block's integers in Q4_K and Q5_K.
struct ScaleMin {
  uint8_t scale;
  uint8_t min;
};

// Pairs 0..3 sit in the low six bits of bytes 0..3 (scale) and 4..7 (minimum). Pairs 4..7 have
// their low four bits in bytes 8..11 and their top two bits above those of pairs 0..3.
inline ScaleMin UnpackScaleMin(const uint8_t (&packed)[12], int j) {
  if (j < 4) {
    return {static_cast<uint8_t>(packed[j] & 63), static_cast<uint8_t>(packed[j + 4] & 63)};
  }
  return {static_cast<uint8_t>((packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4)),
          static_cast<uint8_t>((packed[j + 4] >> 4) | (packed[j] >> 6 << 4))};
}

// Scale b (0..15) of Q3_K, in -32..31: low four bits in bytes 0..7 (b < 8 low nibble, else high),
// top two bits in bytes 8..11.
inline int UnpackQ3Scale(const uint8_t (&packed)[12], int b) {
  const int low = b < 8 ? packed[b] & 15 : packed[b - 8] >> 4;
  const int high = packed[8 + b % 4] >> (2 * (b / 4)) & 3;
  return (low | high << 4) - 32;
}

}  // namespace mcv
