#include "base/untouched_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <utility>

namespace mcv {
namespace {

constexpr int64_t kLargePage = UntouchedMemory::kLargePage;

int64_t ResidentOfProcess() {
  int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST(UntouchedMemoryTest, IsZeroAndBeginsAtAPage) {
  for (const PageSize pages : {PageSize::kSmall, PageSize::kLarge}) {
    for (const int64_t bytes : {int64_t{1}, kLargePage - 1, kLargePage, 3 * kLargePage + 5}) {
      const UntouchedMemory memory = UntouchedMemory::Take(bytes, pages);
      ASSERT_FALSE(memory.empty());
      EXPECT_EQ(memory.size(), bytes);
      const bool large = pages == PageSize::kLarge && bytes >= kLargePage;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data()) %
                    (large ? static_cast<uintptr_t>(kLargePage) : 4096u),
                0u);
      EXPECT_EQ(memory.data()[0], std::byte{0});
      memory.data()[bytes - 1] = std::byte{1};
    }
  }
}

TEST(UntouchedMemoryTest, CostsNothingUntilItIsWritten) {
  constexpr int64_t kBytes = int64_t{1} << 30;
  for (const PageSize pages : {PageSize::kSmall, PageSize::kLarge}) {
    const int64_t before = ResidentOfProcess();
    const UntouchedMemory memory = UntouchedMemory::Take(kBytes, pages);
    ASSERT_FALSE(memory.empty());
    memory.data()[kBytes / 2] = std::byte{1};
    EXPECT_LT(ResidentOfProcess() - before, kBytes / 16);
  }
}

TEST(UntouchedMemoryTest, MovesAndRefuses) {
  UntouchedMemory a = UntouchedMemory::Take(100, PageSize::kLarge);
  std::byte* const data = a.data();
  UntouchedMemory b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.size(), 100);
  EXPECT_TRUE(UntouchedMemory::Take(int64_t{1} << 60, PageSize::kSmall).empty());
  EXPECT_TRUE(UntouchedMemory::Take(int64_t{1} << 60, PageSize::kLarge).empty());
}

TEST(UntouchedMemoryTest, LargePagesAreCountedWhole) {
  constexpr auto resident = UntouchedMemory::ResidentBytes;
  EXPECT_EQ(resident(kLargePage + 1, PageSize::kLarge), 2 * kLargePage);
  EXPECT_EQ(resident(kLargePage, PageSize::kLarge), kLargePage);
  EXPECT_EQ(resident(kLargePage - 1, PageSize::kLarge), kLargePage - 1);
  EXPECT_EQ(resident(kLargePage + 1, PageSize::kSmall), kLargePage + 1);
}

}  // namespace
}  // namespace mcv
