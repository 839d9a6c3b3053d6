#include "base/checked.h"

#include <gtest/gtest.h>

namespace mcv {
namespace {

TEST(Checked, OverflowIsNothing) {
  EXPECT_EQ(CheckedAdd<uint64_t>(1, 2), 3u);
  EXPECT_FALSE(CheckedAdd<uint64_t>(~0ull, 1));
  EXPECT_FALSE(CheckedMul<uint64_t>(1ull << 32, 1ull << 32));
  EXPECT_EQ(CheckedProduct<uint64_t>({3, 5, 7}), 105u);
  EXPECT_FALSE(CheckedProduct<uint64_t>({1ull << 40, 1ull << 20, 1ull << 10}));
  EXPECT_EQ(CheckedAlignUp(33, 32), 64u);
  EXPECT_FALSE(CheckedAlignUp(~0ull - 3, 32));
}

}  // namespace
}  // namespace mcv
