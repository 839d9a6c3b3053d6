#include <gmock/gmock.h>

#include <cstdlib>

#include "kernels/kernel_test_support.h"
#include "kernels/table.h"

namespace mcv {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

TEST(DispatchTest, RefIsAlwaysThereAndLast) {
  const auto targets = AvailableTargets();
  ASSERT_FALSE(targets.empty());
  EXPECT_EQ(targets.back(), "ref");
}

// What a build without any instruction set's code runs, before the slow oracle.
TEST(DispatchTest, PortableIsAlwaysThereAndBeforeRef) {
  const auto targets = AvailableTargets();
  ASSERT_GE(targets.size(), 2u);
  EXPECT_EQ(targets[targets.size() - 2], "portable");
}

TEST(DispatchTest, ForcedTargetIsTheActiveOne) {
  for (const std::string& name : TargetNames()) {
    Result<const KernelTable*> table = ChooseTarget(name);
    ASSERT_TRUE(table.ok());
    EXPECT_EQ(TargetName(**table), name);
  }
}

// A name on a table proves nothing if its functions are another's.
TEST(DispatchTest, TargetsAreDistinctCode) {
  const KernelTable& ref = RefTable();
  for (const std::string& name : TargetNames()) {
    const KernelTable& table = **ChooseTarget(name);
    if (&table == &ref) continue;
    EXPECT_NE(table.layer_norm, ref.layer_norm) << name;
    EXPECT_NE(table.epilogue, ref.epilogue) << name;
    EXPECT_NE(table.softmax_step, ref.softmax_step) << name;
    EXPECT_NE(table.attend, ref.attend) << name;
    for (Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
      EXPECT_NE(table.dot(DType::kQ4_K, numerics), ref.dot(DType::kQ4_K, numerics)) << name;
      EXPECT_NE(table.panel(DType::kF16, numerics), nullptr) << name;
      EXPECT_NE(table.attention(DType::kF16, numerics), nullptr) << name;
    }
    // Only what the type's own kernel does with integers tells targets of one family apart.
    for (const std::string& other_name : TargetNames()) {
      if (other_name == name) continue;
      const KernelTable& other = **ChooseTarget(other_name);
      EXPECT_NE(&table, &other);
      EXPECT_TRUE(table.layer_norm != other.layer_norm ||
                  table.panel(DType::kF16, Numerics::kFast) !=
                      other.panel(DType::kF16, Numerics::kFast))
          << name << " and " << other_name;
    }
  }
}

TEST(DispatchTest, UnknownTargetListsTheOthers) {
  Result<const KernelTable*> table = ChooseTarget("avx9");
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(table.status().message(), HasSubstr("avx9"));
  for (const std::string& name : TargetNames()) {
    EXPECT_THAT(table.status().message(), HasSubstr(name));
  }
}

TEST(DispatchTest, EnvironmentForcesTheTarget) {
  setenv("MCV_TARGET", "ref", 1);
  EXPECT_EQ(TargetName(**ChooseTarget()), "ref");
  setenv("MCV_TARGET", "nonsense", 1);
  Result<const KernelTable*> bad = ChooseTarget();
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.status().message(), HasSubstr("MCV_TARGET"));
  unsetenv("MCV_TARGET");
  EXPECT_EQ(TargetName(**ChooseTarget()), AvailableTargets().front());
}

}  // namespace
}  // namespace mcv
