#include "formats/quant/quant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/half.h"
#include "base/random.h"
#include "formats/testing/bytes.h"

namespace mcv {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

// What a round trip may lose: root mean square error over root mean square value. The first column
// is for normally distributed weights, the second for weights all above zero (uniform on [1, 2]),
// where types with a minimum do worse than symmetric ones because theirs cannot be positive.
struct Budget {
  DType type;
  double normal;
  double offset;
};
constexpr Budget kBudgets[] = {
    {DType::kF32, 0.0, 0.0},          {DType::kF16, 2.1e-4, 1.9e-4},
    {DType::kBF16, 1.7e-3, 1.5e-3},   {DType::kQ8_0, 0.0053, 0.0030},
    {DType::kQ4_0, 0.086, 0.0465},    {DType::kQ4_1, 0.079, 0.0117},
    {DType::kQ5_0, 0.043, 0.0235},    {DType::kQ5_1, 0.038, 0.0057},
    {DType::kIQ4_NL, 0.0735, 0.0545}, {DType::kQ2_K, 0.266, 0.0955},
    {DType::kQ3_K, 0.144, 0.0785},    {DType::kQ4_K, 0.0700, 0.0223},
    {DType::kQ5_K, 0.0346, 0.0110},   {DType::kQ6_K, 0.0170, 0.0097},
};

constexpr uint64_t kRows = 8;
constexpr uint64_t kColumns = 1024;

std::vector<float> RandomMatrix(const std::function<double(RandomStream&)>& draw) {
  RandomStream random(3);
  std::vector<float> values(kRows * kColumns);
  for (float& value : values) value = static_cast<float>(draw(random));
  return values;
}

std::vector<float> RoundTrip(DType type, const std::vector<float>& values, uint64_t rows,
                             uint64_t columns) {
  const auto bytes = Quantize(type, values, rows, columns);
  EXPECT_TRUE(bytes.ok()) << bytes.status().ToString();
  EXPECT_EQ(bytes->size(), *RowBytes(type, columns) * rows);
  const auto restored = Dequantize(type, *bytes, rows, columns);
  EXPECT_TRUE(restored.ok()) << restored.status().ToString();
  return *restored;
}

double RelativeError(const std::vector<float>& expected, const std::vector<float>& actual) {
  double error = 0.0, norm = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = double{expected[i]} - actual[i];
    error += difference * difference;
    norm += double{expected[i]} * expected[i];
  }
  return std::sqrt(error / norm);
}

class RoundTripTest : public ::testing::TestWithParam<Budget> {};

TEST_P(RoundTripTest, StaysInItsErrorBudget) {
  const auto [type, normal_budget, offset_budget] = GetParam();
  const auto normal = RandomMatrix([](RandomStream& r) { return 0.02 * r.Normal(); });
  EXPECT_LE(RelativeError(normal, RoundTrip(type, normal, kRows, kColumns)), normal_budget);
  const auto offset = RandomMatrix([](RandomStream& r) { return r.Uniform(1.0, 2.0); });
  EXPECT_LE(RelativeError(offset, RoundTrip(type, offset, kRows, kColumns)), offset_budget);
}

TEST_P(RoundTripTest, ZerosStayZero) {
  const std::vector<float> zeros(512, 0.0f);
  EXPECT_THAT(RoundTrip(GetParam().type, zeros, 1, 512), Each(0.0f));
}

TEST_P(RoundTripTest, ValuesBelowTheSmallestScaleBecomeSmall) {
  std::vector<float> tiny(512, 1e-42f);
  for (size_t i = 0; i < tiny.size(); i += 3) tiny[i] = -1e-40f;
  for (const float value : RoundTrip(GetParam().type, tiny, 1, 512)) {
    EXPECT_LE(std::fabs(value), 2e-38f);
  }
}

TEST_P(RoundTripTest, LargestHalvesSurvive) {
  std::vector<float> large(512);
  for (size_t i = 0; i < large.size(); ++i) large[i] = i % 2 == 0 ? 65504.0f : -65504.0f;
  const auto restored = RoundTrip(GetParam().type, large, 1, 512);
  EXPECT_LE(RelativeError(large, restored), 0.2);
}

TEST_P(RoundTripTest, OneOutlierKeepsItsSignAndSize) {
  for (const float outlier : {8.0f, -8.0f}) {
    auto values = RandomMatrix([](RandomStream& r) { return 0.02 * r.Normal(); });
    values[100] = outlier;
    const auto restored = RoundTrip(GetParam().type, values, kRows, kColumns);
    EXPECT_NEAR(restored[100], outlier, 1.2f);
    // Super-blocks beside it are untouched.
    std::vector<float> rest(values.begin() + 256, values.end());
    std::vector<float> rest_restored(restored.begin() + 256, restored.end());
    EXPECT_LE(RelativeError(rest, rest_restored), GetParam().normal);
  }
}

TEST_P(RoundTripTest, QuantisingIsDeterministic) {
  const auto values = RandomMatrix([](RandomStream& r) { return r.Normal(); });
  EXPECT_EQ(*Quantize(GetParam().type, values, kRows, kColumns),
            *Quantize(GetParam().type, values, kRows, kColumns));
}

// A row does not depend on its neighbours, so rows may be quantised on any thread.
TEST_P(RoundTripTest, RowsAreIndependent) {
  const DType type = GetParam().type;
  const auto values = RandomMatrix([](RandomStream& r) { return r.Normal(); });
  const auto whole = *Quantize(type, values, kRows, kColumns);
  const uint64_t row_bytes = *RowBytes(type, kColumns);
  for (uint64_t row = 0; row < kRows; ++row) {
    ByteVector one(row_bytes);
    QuantizeRow(type, std::span(values).subspan(row * kColumns, kColumns), one.data());
    EXPECT_TRUE(std::equal(one.begin(), one.end(),
                           whole.begin() + static_cast<std::ptrdiff_t>(row * row_bytes)));
  }
}

INSTANTIATE_TEST_SUITE_P(All, RoundTripTest, ::testing::ValuesIn(kBudgets), [](const auto& info) {
  return std::string(Traits(info.param.type).name);
});

// --- the deterministic types, bit by bit ---

// 32 values: 0, 1, ..., 31, shifted and scaled.
std::vector<float> Ramp(float first, float step) {
  std::vector<float> values(32);
  for (int i = 0; i < 32; ++i)
    values[static_cast<size_t>(i)] = first + step * static_cast<float>(i);
  return values;
}

ByteVector QuantizeOne(DType type, const std::vector<float>& values) {
  ByteVector out(*RowBytes(type, values.size()));
  QuantizeRow(type, values, out.data());
  return out;
}

TEST(ReferenceQuantiserTest, Q4_0PutsTheSignedPeakOnMinusEight) {
  const auto block = QuantizeOne(DType::kQ4_0, Ramp(-16.0f, 1.0f));  // -16 .. 15, d = 2
  BytesBuilder expected;
  expected.Put(FloatToHalf(2.0f));
  // Element j is trunc(j / 2 + 0.5), element j + 16 is trunc(j / 2 + 8.5), at most 15.
  for (int j = 0; j < 16; ++j) {
    const int low = (j + 1) / 2, high = std::min(15, (j + 17) / 2);
    expected.Put(static_cast<uint8_t>(low | high << 4));
  }
  EXPECT_EQ(block, expected.bytes());
}

TEST(ReferenceQuantiserTest, APositivePeakMakesTheScaleNegative) {
  std::vector<float> values(32, 0.0f);
  values[3] = 8.0f;
  values[4] = -8.0f;  // not larger: the first of equals is the peak
  const auto block = QuantizeOne(DType::kQ4_0, values);
  EXPECT_EQ(block[0], std::byte{0x00});
  EXPECT_EQ(block[1], std::byte{0xbc});  // -1
  EXPECT_EQ(block[2 + 3], std::byte{0x80});
  EXPECT_EQ(block[2 + 4], std::byte{0x8f});  // +8 does not exist: 15 stands for +7
}

TEST(ReferenceQuantiserTest, Q4_1SpansFromMinimumToMaximum) {
  const auto block = QuantizeOne(DType::kQ4_1, Ramp(10.0f, 0.5f));  // 10 .. 25.5
  EXPECT_EQ(HalfToFloat(0x3c22), HalfToFloat(FloatToHalf(15.5f / 15.0f)));
  BytesBuilder expected;
  expected.Put(FloatToHalf(15.5f / 15.0f)).Put(FloatToHalf(10.0f));
  const float inverse = 1.0f / (15.5f / 15.0f);
  for (int j = 0; j < 16; ++j) {
    const int low = static_cast<int>(static_cast<float>(j) * 0.5f * inverse + 0.5f);
    const int high = static_cast<int>(static_cast<float>(j + 16) * 0.5f * inverse + 0.5f);
    expected.Put(static_cast<uint8_t>(low | high << 4));
  }
  EXPECT_EQ(block, expected.bytes());
}

TEST(ReferenceQuantiserTest, Q5TypesStoreRampsExactly) {
  const std::vector<float> symmetric = Ramp(-16.0f, 1.0f);
  const auto q5_0 = QuantizeOne(DType::kQ5_0, symmetric);
  std::vector<float> restored(32);
  DequantizeRow(DType::kQ5_0, q5_0.data(), restored);
  EXPECT_EQ(restored, symmetric);
  uint32_t fifth_bits;
  std::memcpy(&fifth_bits, q5_0.data() + 2, sizeof(fifth_bits));
  EXPECT_EQ(fifth_bits, 0xffff0000u);
  const std::vector<float> shifted = Ramp(3.0f, 1.0f);
  DequantizeRow(DType::kQ5_1, QuantizeOne(DType::kQ5_1, shifted).data(), restored);
  EXPECT_EQ(restored, shifted);
}

TEST(ReferenceQuantiserTest, Q8_0RoundsHalvesAwayFromZero) {
  std::vector<float> values(32, 0.0f);
  values[0] = 127.0f;  // d = 1
  values[1] = 2.5f;
  values[2] = -2.5f;
  values[3] = 0.49f;
  const auto block = QuantizeOne(DType::kQ8_0, values);
  EXPECT_EQ(block[2], std::byte{127});
  EXPECT_EQ(block[3], std::byte{3});
  EXPECT_EQ(block[4], static_cast<std::byte>(-3));
  EXPECT_EQ(block[5], std::byte{0});
}

// --- the fits ---

// Values that a block can hold exactly come back exactly, or nearly: the search must find the scale
// that generated them.
TEST(FitTest, RepresentableBlocksAreRecovered) {
  for (const DType type :
       {DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL}) {
    const auto values = RandomMatrix([](RandomStream& r) { return 0.5 * r.Normal(); });
    const auto once = RoundTrip(type, values, kRows, kColumns);
    const auto twice = RoundTrip(type, once, kRows, kColumns);
    EXPECT_LE(RelativeError(once, twice), 0.35 * RelativeError(values, once)) << Traits(type).name;
  }
}

// --- borders ---

TEST(QuantizeTest, NamesWhatDoesNotFit) {
  const std::vector<float> values(64, 1.0f);
  ExpectError(Quantize(DType::kQ4_K, values, 1, 64), StatusCode::kInvalidArgument,
              {"Q4_K", "256", "64 columns"});
  ExpectError(Quantize(DType::kQ8_0, values, 3, 32), StatusCode::kInvalidArgument,
              {"3 x 32", "96 values", "got 64"});
  ExpectError(Quantize(DType::kI32, values, 2, 32), StatusCode::kInvalidArgument, {"I32"});
  ExpectError(Dequantize(DType::kQ8_0, ByteVector(67), 2, 32), StatusCode::kInvalidArgument,
              {"68 bytes", "got 67"});
  ExpectError(Dequantize(DType::kF32, {}, uint64_t{1} << 40, uint64_t{1} << 40),
              StatusCode::kResourceExhausted, {"too large"});
  ExpectError(Dequantize(DType::kI8, ByteVector(1), 1, 1), StatusCode::kInvalidArgument, {"I8"});
}

TEST(QuantizeTest, RefusesValuesThatTheTypeCannotHold) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), 70'000.0f}) {
    std::vector<float> values(64, 1.0f);
    values[37] = bad;
    for (const DType type : {DType::kF16, DType::kQ8_0, DType::kQ5_1}) {
      ExpectError(Quantize(type, values, 2, 32), StatusCode::kInvalidArgument,
                  {"row 1, column 5", std::string(Traits(type).name)});
    }
    EXPECT_TRUE(Quantize(DType::kF32, values, 2, 32).ok());
    EXPECT_EQ(Quantize(DType::kBF16, values, 2, 32).ok(), std::isfinite(bad));
  }
}

}  // namespace
}  // namespace mcv
