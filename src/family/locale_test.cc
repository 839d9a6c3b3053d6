// Programs that use this library may have set a locale in which numbers have a comma.
#include <gtest/gtest.h>

#include <clocale>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "family/json_object.h"
#include "family/number_text.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

class LocaleTest : public ::testing::Test {
 protected:
  // The system may have no such locale: then one is made for this test.
  void SetUp() override {
    const std::string make =
        "localedef -i de_DE -f UTF-8 " + (folder_ / "de_DE.UTF-8").string() + " >/dev/null 2>&1";
    const bool made = std::system(make.c_str()) == 0;
    if (made) ::setenv("LOCPATH", folder_.string().c_str(), 1);
    const char* set = std::setlocale(LC_ALL, "de_DE.UTF-8");
    ::unsetenv("LOCPATH");
    if (set == nullptr) GTEST_SKIP() << "no locale with a decimal comma here, and no localedef";
    ASSERT_STREQ(std::localeconv()->decimal_point, ",");
  }
  void TearDown() override { std::setlocale(LC_ALL, "C"); }
  TestFolder folder_{"locale_test"};
};

TEST_F(LocaleTest, NumbersKeepTheirPoint) {
  const nlohmann::json json = {{"version", 2.5}, {"whole", 2}};
  EXPECT_EQ(JsonObject(json, "x").VersionText("version"), "2.5");
  EXPECT_EQ(JsonObject(json, "x").VersionText("whole"), "2.0");
  EXPECT_EQ(ShortNumber(0.000001), "1e-06");
  EXPECT_EQ(ShortestDouble(1e-5f), 1e-5);
  EXPECT_EQ(ParseJsonObject("{\"a\": 0.25}", "x")->at("a").get<double>(), 0.25);
}

}  // namespace
}  // namespace mcv
