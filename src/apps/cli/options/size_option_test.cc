#include "apps/cli/options/size_option.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mcv::cli {
namespace {

using ::testing::HasSubstr;

TEST(SizeOption, SizesAsPeopleWriteThem) {
  const auto bytes = [](const char* text) { return ParseSize(text).value(); };
  EXPECT_EQ(bytes("1"), 1);
  EXPECT_EQ(bytes("123456"), 123456);
  EXPECT_EQ(bytes("7b"), 7);
  EXPECT_EQ(bytes("2k"), 2048);
  EXPECT_EQ(bytes("512M"), int64_t{512} << 20);
  EXPECT_EQ(bytes("4G"), int64_t{4} << 30);
  EXPECT_EQ(bytes("4.5GiB"), (int64_t{9} << 30) / 2);
  EXPECT_EQ(bytes("4.5 gb"), 4'500'000'000);
  EXPECT_EQ(bytes("1T"), int64_t{1} << 40);
  EXPECT_EQ(bytes("800 MB"), 800'000'000);
}

TEST(SizeOption, WhatIsNoSize) {
  for (const char* text : {"", " ", "G", "-4G", "+4G", "four", "4X", "4GiBs", "4ib", "0", "0G",
                           "0.0001", "inf", "nan", "0x10", "4G 5", "4..5G", "1e3", ".5G"}) {
    const auto size = ParseSize(text);
    ASSERT_FALSE(size.ok()) << text;
    EXPECT_EQ(size.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(size.status().message(), HasSubstr("expected")) << text;
  }
  EXPECT_THAT(CheckSize("4 bananas"), HasSubstr("'4 bananas'"));
  EXPECT_EQ(CheckSize("4G"), "");
}

TEST(SizeOption, MoreThanFits) {
  for (const char* text : {"9223372036854775808", "8388608T", "99999999999999999999999999"}) {
    const auto size = ParseSize(text);
    ASSERT_FALSE(size.ok()) << text;
    EXPECT_THAT(size.status().message(), HasSubstr("more than any machine")) << text;
  }
  EXPECT_FALSE(ParseSize(std::string(5000, '9')).ok());
}

TEST(SizeOption, AnOptionsOwnBounds) {
  const SizeBounds bounds = {0, int64_t{1} << 50};
  EXPECT_EQ(ParseSize("0", bounds).value(), 0);
  EXPECT_EQ(ParseSize("1024T", bounds).value(), bounds.most);
  EXPECT_FALSE(ParseSize("1025T", bounds).ok());
  EXPECT_THAT(CheckSize("-1", bounds), HasSubstr("expected a number and a unit"));
}

}  // namespace
}  // namespace mcv::cli
