#include "apps/cli/terminal/shown_text.h"

#include <gtest/gtest.h>

namespace mcv::cli {
namespace {

TEST(ShownText, ControlCharactersBecomeHarmless) {
  EXPECT_EQ(Shown("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(Shown("\x07\x08\x7f"), "\\x07\\x08\\x7f");
  EXPECT_EQ(Shown(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Shown("\xc2\x9b"
                  "31m"),
            "\\xc2\\x9b31m");  // CSI as one character
  EXPECT_EQ(Shown("\x9b"
                  "31m"),
            "\\x9b31m");  // and as one byte
  EXPECT_EQ(Shown("over\rwritten"), "over\\x0dwritten");
}

TEST(ShownText, TextStays) {
  EXPECT_EQ(Shown("Où est\tle café 图片?\nمرحبا 😀"), "Où est\tle café 图片?\nمرحبا 😀");
  EXPECT_EQ(Shown("a\r\nb"), "a\r\nb");
}

TEST(ShownText, NamesTakeOneLine) {
  EXPECT_EQ(ShownName("a\nb\tc"), "a\\x0ab\\x09c");
  EXPECT_EQ(ShownName("\xe2\x80\xaegnp.exe"), "\\xe2\\x80\\xaegnp.exe");
  EXPECT_EQ(ShownName("café.png"), "café.png");
}

TEST(ShownText, CutsBetweenCharacters) {
  EXPECT_EQ(CutToColumns("looking at a", 7), "looking");
  EXPECT_EQ(CutToColumns("图片图片", 5), "图片");
  EXPECT_EQ(CutToColumns("short", 80), "short");
  EXPECT_EQ(CutToColumns("", 0), "");
}

}  // namespace
}  // namespace mcv::cli
