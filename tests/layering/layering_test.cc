// Reads every include of the repository and fails on an upward edge; fails on files that have grown
// beyond what people read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

#include "tests/layering/ladder.h"
#include "tests/layering/source_tree.h"

namespace mcv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<SourceFile>& Tree() {
  static const auto* tree = new std::vector<SourceFile>(
      ReadSourceTree(MCV_SOURCE_DIR, {"src", "trainer", "tests", "bench"}));
  return *tree;
}

TEST(LayeringTest, TheTreeIsFound) { EXPECT_GT(Tree().size(), 50u); }

TEST(LayeringTest, EveryIncludePointsDownTheLadder) {
  int violations = 0;
  for (const SourceFile& file : Tree()) {
    for (const std::string& violation : LayeringViolations(file)) {
      ADD_FAILURE() << violation;
      ++violations;
    }
  }
  if (violations > 0) std::cerr << LadderText();
}

TEST(LayeringTest, EveryHeaderIsIncludedOnce) {
  for (const SourceFile& file : Tree()) {
    if (!file.path.ends_with(".h")) continue;
    EXPECT_TRUE(file.pragma_once) << file.path;
  }
}

TEST(SizeTest, FilesStayReadable) {
  for (const SourceFile& file : Tree()) {
    const SizeLimits limits = LimitsFor(file);
    EXPECT_LE(file.lines, limits.fail) << file.path << " has " << file.lines << " lines; split it";
    if (file.lines > limits.warn && file.lines <= limits.fail) {
      std::cout << "long: " << file.path << ", " << file.lines << " lines (" << limits.warn
                << " is the aim)\n";
    }
  }
}

// --- the rules themselves ---

std::vector<std::string> ViolationsOf(const std::string& path, const std::string& include) {
  return LayeringViolations(DescribeSource(path, "#include \"" + include + "\"\n"));
}

TEST(LadderTest, DownwardAndOwnIncludesAreAllowed) {
  EXPECT_THAT(ViolationsOf("src/family/a.cc", "formats/dtype.h"), IsEmpty());
  EXPECT_THAT(ViolationsOf("src/family/a.cc", "family/b.h"), IsEmpty());
  EXPECT_THAT(ViolationsOf("src/model/a.cc", "kernels/kernels.h"), IsEmpty());
  EXPECT_THAT(ViolationsOf("src/kernels/a.cc", "kernels/x86_avx2/leaf.h"), IsEmpty());
  EXPECT_THAT(ViolationsOf("trainer/a.cc", "trainer/b.h"), IsEmpty());
  EXPECT_THAT(ViolationsOf("tests/parity/a.cc", "engine/engine.h"), IsEmpty());
  EXPECT_THAT(ViolationsOf("src/family/a_test.cc", "tests/support/goldens.h"), IsEmpty());
}

TEST(LadderTest, UpwardIncludesAreNamedWithFileAndLine) {
  EXPECT_THAT(ViolationsOf("src/base/a.h", "formats/dtype.h"),
              ElementsAre(HasSubstr("src/base/a.h:1: \"formats/dtype.h\": base may not")));
  EXPECT_THAT(ViolationsOf("src/kernels/a.cc", "family/config.h").size(), 1u);
  EXPECT_THAT(ViolationsOf("src/model/a.cc", "engine/engine.h").size(), 1u);
  EXPECT_THAT(ViolationsOf("trainer/a.cc", "model/weights.h").size(), 1u);
  EXPECT_THAT(ViolationsOf("src/apps/a.cc", "trainer/a.h").size(), 1u);
}

TEST(LadderTest, KernelsAreEnteredThroughOneHeader) {
  EXPECT_THAT(ViolationsOf("src/model/a.cc", "kernels/table.h"),
              ElementsAre(HasSubstr("only kernels/kernels.h")));
}

TEST(LadderTest, PathsBeginWithARoom) {
  EXPECT_THAT(ViolationsOf("src/family/a.cc", "config.h"), ElementsAre(HasSubstr("no room")));
  EXPECT_THAT(ViolationsOf("src/family/a.cc", "../base/a.h"), ElementsAre(HasSubstr("leaves")));
  EXPECT_THAT(ViolationsOf("src/family/a.cc", "tests/support/goldens.h").size(), 1u);
  EXPECT_THAT(ViolationsOf("src/utils/a.cc", "base/a.h"), ElementsAre(HasSubstr("no room")));
}

TEST(SourceTreeTest, OnlyQuotedIncludesCount) {
  const auto includes = QuotedIncludes(
      "// #include \"a.h\"\n#include <b.h>\n  #  include \"c/d.h\"  // why\n\n#include \"e.h\"");
  ASSERT_EQ(includes.size(), 2u);
  EXPECT_EQ(includes[0].path, "c/d.h");
  EXPECT_EQ(includes[0].line, 3);
  EXPECT_EQ(includes[1].path, "e.h");
  EXPECT_EQ(includes[1].line, 5);
}

TEST(SourceTreeTest, LinesAndPragmaAreSeen) {
  const SourceFile file = DescribeSource("src/base/a.h", "// x\n#pragma once\n\nint a;\n");
  EXPECT_EQ(file.lines, 4);
  EXPECT_TRUE(file.pragma_once);
}

}  // namespace
}  // namespace mcv
