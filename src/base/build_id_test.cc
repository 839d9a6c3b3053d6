#include "base/build_id.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace mcv {
namespace {

int Here() { return 1; }

TEST(BuildId, NamesTheLoadedFileThatAnAddressLiesIn) {
  const auto* here = reinterpret_cast<const void*>(&Here);
  const auto id = BuildIdOf(here);
  EXPECT_GE(id.size(), 8u);
  EXPECT_EQ(BuildIdOf(here), id);
  EXPECT_EQ(BuildIdOf(reinterpret_cast<const void*>(&BuildIdOf)), id);
  // A library has an id of its own, and so has a program that uses one.
  const auto library = BuildIdOf(reinterpret_cast<const void*>(&std::malloc));
  EXPECT_GE(library.size(), 8u);
  const auto digest = CodeDigestOf(here);
  EXPECT_EQ(digest.size(), 32u);
  EXPECT_EQ(CodeDigestOf(here), digest);
  int variable = 0;
  EXPECT_TRUE(BuildIdOf(&variable).empty());
}

}  // namespace
}  // namespace mcv
