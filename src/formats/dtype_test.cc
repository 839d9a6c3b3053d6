#include "formats/dtype.h"

#include <gtest/gtest.h>

#include <limits>

namespace mcv {
namespace {

TEST(DTypeTest, NumbersAndNamesLeadToTheSameTraits) {
  int known = 0;
  for (uint32_t number = 0; number < 64; ++number) {
    const DTypeTraits* traits = FindDType(number);
    if (traits == nullptr) continue;
    ++known;
    EXPECT_EQ(static_cast<uint32_t>(traits->type), number);
    EXPECT_EQ(FindDTypeByName(traits->name), traits);
    EXPECT_EQ(&Traits(traits->type), traits);
  }
  EXPECT_EQ(known, 19);
}

TEST(DTypeTest, RemovedAndForeignNumbersAreUnknown) {
  for (const uint32_t number : {4u, 5u, 9u, 15u, 16u, 23u, 29u, 39u, 0xffffffffu}) {
    EXPECT_EQ(FindDType(number), nullptr) << number;
  }
  EXPECT_EQ(FindDTypeByName("Q4_k"), nullptr);
}

TEST(DTypeTest, RowsAreWholeBlocks) {
  EXPECT_EQ(RowBytes(DType::kF32, 5), 20u);
  EXPECT_EQ(RowBytes(DType::kQ8_0, 64), 68u);
  EXPECT_EQ(RowBytes(DType::kQ6_K, 4096), 16u * 210);
  EXPECT_EQ(RowBytes(DType::kQ8_0, 33), std::nullopt);
  EXPECT_EQ(RowBytes(DType::kQ4_K, 128), std::nullopt);
  EXPECT_EQ(RowBytes(DType::kQ4_K, 0), 0u);
}

TEST(DTypeTest, RowBytesNoticesOverflow) {
  EXPECT_EQ(RowBytes(DType::kF64, std::numeric_limits<uint64_t>::max()), std::nullopt);
  EXPECT_EQ(RowBytes(DType::kF32, uint64_t{1} << 62), std::nullopt);
}

}  // namespace
}  // namespace mcv
