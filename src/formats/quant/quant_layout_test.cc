// Where every bit of a block belongs: exact values from hand-made blocks, and each type against a
// second decoder written element by element from the format's description.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "base/random.h"
#include "formats/quant/quant.h"
#include "formats/testing/bytes.h"

namespace mcv {
namespace {

std::vector<float> DecodeOne(DType type, const ByteVector& block) {
  EXPECT_EQ(block.size(), Traits(type).block_bytes);
  std::vector<float> values(Traits(type).block_elements);
  DequantizeRow(type, block.data(), values);
  return values;
}

BytesBuilder Half(float value) { return BytesBuilder().Put(FloatToHalf(value)); }

TEST(QuantLayoutTest, PlainTypes) {
  const ByteVector f32 = BytesBuilder().Put(-1.25f).bytes();
  EXPECT_EQ(DecodeOne(DType::kF32, f32)[0], -1.25f);
  EXPECT_EQ(DecodeOne(DType::kF16, Half(0.333251953125f).bytes())[0], 0.333251953125f);
  const ByteVector smallest_half = BytesBuilder().Put<uint16_t>(1).bytes();
  EXPECT_EQ(DecodeOne(DType::kF16, smallest_half)[0], 0x1p-24f);
  const ByteVector bf16 = BytesBuilder().Put<uint16_t>(0xc040).bytes();
  EXPECT_EQ(DecodeOne(DType::kBF16, bf16)[0], -3.0f);
}

TEST(QuantLayoutTest, Q4_0LowNibblesComeFirst) {
  const auto values =
      DecodeOne(DType::kQ4_0, Half(0.5f).Put<uint8_t>(0x1f).Put<uint8_t>(0x80).Zeros(14).bytes());
  EXPECT_EQ(values[0], 3.5f);    // (15 - 8) / 2
  EXPECT_EQ(values[16], -3.5f);  // (1 - 8) / 2
  EXPECT_EQ(values[1], -4.0f);
  EXPECT_EQ(values[17], 0.0f);
}

TEST(QuantLayoutTest, Q4_1AddsItsMinimum) {
  const auto values = DecodeOne(
      DType::kQ4_1, Half(2.0f).Put(FloatToHalf(-1.0f)).Put<uint8_t>(0xf3).Zeros(15).bytes());
  EXPECT_EQ(values[0], 5.0f);
  EXPECT_EQ(values[16], 29.0f);
  EXPECT_EQ(values[31], -1.0f);
}

TEST(QuantLayoutTest, Q5FifthBitsAreInElementOrder) {
  const uint32_t bits = 1u << 0 | 1u << 17;
  const auto q5_0 =
      DecodeOne(DType::kQ5_0, Half(1.0f).Put(bits).Put<uint8_t>(0x12).Zeros(15).bytes());
  EXPECT_EQ(q5_0[0], 2.0f);     // 16 + 2 - 16
  EXPECT_EQ(q5_0[16], -15.0f);  // 1 - 16
  EXPECT_EQ(q5_0[17], 0.0f);    // 16 + 0 - 16
  const auto q5_1 =
      DecodeOne(DType::kQ5_1,
                Half(1.0f).Put(FloatToHalf(0.25f)).Put(bits).Put<uint8_t>(0x12).Zeros(15).bytes());
  EXPECT_EQ(q5_1[0], 18.25f);
  EXPECT_EQ(q5_1[16], 1.25f);
  EXPECT_EQ(q5_1[17], 16.25f);
}

TEST(QuantLayoutTest, Q8_0AndIq4Nl) {
  const auto q8 =
      DecodeOne(DType::kQ8_0, Half(0.25f).Put<int8_t>(-128).Zeros(30).Put<int8_t>(4).bytes());
  EXPECT_EQ(q8[0], -32.0f);
  EXPECT_EQ(q8[31], 1.0f);
  const auto iq4 = DecodeOne(DType::kIQ4_NL, Half(2.0f).Put<uint8_t>(0xf0).Zeros(15).bytes());
  EXPECT_EQ(iq4[0], -254.0f);
  EXPECT_EQ(iq4[16], 226.0f);
}

// --- second decoders ---

uint16_t HalfAt(const ByteVector& block, size_t at) {
  uint16_t bits;
  std::memcpy(&bits, block.data() + at, sizeof(bits));
  return bits;
}
int Byte(const ByteVector& block, int at) {
  return static_cast<int>(block[static_cast<size_t>(at)]);
}

float ElementQ2K(const ByteVector& block, int e) {
  const int n = e / 128, s = e / 32 % 4, l = e % 32;
  const int sub = 8 * n + 2 * s + (l >= 16 ? 1 : 0);
  const float d = HalfToFloat(HalfAt(block, 80)), dmin = HalfToFloat(HalfAt(block, 82));
  const int v = Byte(block, 16 + 32 * n + l) >> (2 * s) & 3;
  const float scaled = d * static_cast<float>(Byte(block, sub) & 15);
  return scaled * static_cast<float>(v) - dmin * static_cast<float>(Byte(block, sub) >> 4);
}

float ElementQ3K(const ByteVector& block, int e) {
  const int n = e / 128, s = e / 32 % 4, l = e % 32;
  const int b = 8 * n + 2 * s + (l >= 16 ? 1 : 0);
  const int scales = 32 + 64;
  int scale = b < 8 ? Byte(block, scales + b) & 15 : Byte(block, scales + b - 8) >> 4;
  scale += (Byte(block, scales + 8 + b % 4) >> (2 * (b / 4)) & 3) * 16;
  int v = Byte(block, 32 + 32 * n + l) >> (2 * s) & 3;
  if ((Byte(block, l) >> (4 * n + s) & 1) == 0) v -= 4;
  return HalfToFloat(HalfAt(block, 108)) * static_cast<float>(scale - 32) * static_cast<float>(v);
}

// Q4_K (fifth_bits false) and Q5_K.
float ElementQ45K(const ByteVector& block, int e, bool fifth_bits) {
  const int j = e / 32, l = e % 32;
  const auto sc = [&](int i) { return Byte(block, 4 + i); };
  const int scale = j < 4 ? sc(j) & 63 : (sc(j + 4) & 15) + 16 * (sc(j - 4) >> 6);
  const int min = j < 4 ? sc(j + 4) & 63 : (sc(j + 4) >> 4) + 16 * (sc(j) >> 6);
  const int qs = fifth_bits ? 16 + 32 : 16;
  const int byte = Byte(block, qs + 32 * (j / 2) + l);
  int v = j % 2 == 0 ? byte & 15 : byte >> 4;
  if (fifth_bits && (Byte(block, 16 + l) >> j & 1) != 0) v += 16;
  const float d1 = HalfToFloat(HalfAt(block, 0)) * static_cast<float>(scale);
  const float m1 = HalfToFloat(HalfAt(block, 2)) * static_cast<float>(min);
  return d1 * static_cast<float>(v) - m1;
}

float ElementQ6K(const ByteVector& block, int e) {
  const int n = e / 128, part = e / 32 % 4, l = e % 32;
  const int ql = 64 * n, qh = 128 + 32 * n, scales = 192 + 8 * n;
  const int high = Byte(block, qh + l) >> (2 * part) & 3;
  const int low_byte = Byte(block, ql + l + (part % 2 == 1 ? 32 : 0));
  const int low = part < 2 ? low_byte & 15 : low_byte >> 4;
  const auto scale = static_cast<int8_t>(Byte(block, scales + l / 16 + 2 * part));
  return HalfToFloat(HalfAt(block, 208)) * static_cast<float>(scale) *
         static_cast<float>((low | high << 4) - 32);
}

float Element(DType type, const ByteVector& block, int e) {
  switch (type) {
    case DType::kQ2_K:
      return ElementQ2K(block, e);
    case DType::kQ3_K:
      return ElementQ3K(block, e);
    case DType::kQ4_K:
      return ElementQ45K(block, e, false);
    case DType::kQ5_K:
      return ElementQ45K(block, e, true);
    default:
      return ElementQ6K(block, e);
  }
}

class KTypesTest : public ::testing::TestWithParam<DType> {};

TEST_P(KTypesTest, RandomBlocksDecodeExactly) {
  const DType type = GetParam();
  RandomStream random(17, static_cast<uint64_t>(type));
  for (int round = 0; round < 200; ++round) {
    ByteVector block(Traits(type).block_bytes);
    for (std::byte& byte : block) byte = static_cast<std::byte>(random.Below(256));
    // Random halves would be infinities and NaN now and then.
    const bool at_end = type != DType::kQ4_K && type != DType::kQ5_K;
    const bool two = type != DType::kQ3_K && type != DType::kQ6_K;
    const size_t first = at_end ? block.size() - (two ? 4 : 2) : 0;
    for (int i = 0; i < (two ? 2 : 1); ++i) {
      const uint16_t bits = FloatToHalf(static_cast<float>(random.Uniform(-1.0, 1.0)));
      std::memcpy(block.data() + first + 2 * static_cast<size_t>(i), &bits, sizeof(bits));
    }
    const std::vector<float> values = DecodeOne(type, block);
    for (int e = 0; e < 256; ++e) {
      ASSERT_EQ(values[static_cast<size_t>(e)], Element(type, block, e)) << "element " << e;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, KTypesTest,
                         ::testing::Values(DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K,
                                           DType::kQ6_K),
                         [](const auto& info) { return std::string(Traits(info.param).name); });

}  // namespace
}  // namespace mcv
