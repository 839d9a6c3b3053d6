#include "formats/printable.h"

#include <gtest/gtest.h>

namespace mcv {
namespace {

TEST(PrintableTest, PlainTextStays) { EXPECT_EQ(Printable("blk.0.attn_q"), "'blk.0.attn_q'"); }

TEST(PrintableTest, ControlBytesAndQuotesAreEscaped) {
  EXPECT_EQ(Printable("\x1b[31m\n"), "'\\x1b[31m\\x0a'");
  EXPECT_EQ(Printable("a'b\\c"), "'a\\x27b\\x5cc'");
  EXPECT_EQ(Printable("\xc3\xa9"), "'\\xc3\\xa9'");
  EXPECT_EQ(Printable(std::string_view("\0x", 2)), "'\\x00x'");
}

TEST(PrintableTest, LongTextIsCut) { EXPECT_EQ(Printable("abcdef", 3), "'abc...'"); }

}  // namespace
}  // namespace mcv
