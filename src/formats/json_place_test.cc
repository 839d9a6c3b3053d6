#include "formats/json_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mcv {
namespace {

using ::testing::HasSubstr;

TEST(JsonPlace, NamesLineColumnAndReason) {
  const struct {
    const char* text;
    const char* expected;
  } kRows[] = {
      {"{\n  \"a\": NaN\n}", "line 2"},
      {"{\n  \"a\": NaN\n}", "NaN is no JSON number"},
      {"{\"a\": -Infinity}", "-Infinity is no JSON number"},
      {"{\"a\": Infinity}", "Infinity is no JSON number"},
      {"{\"a\": True}", "True is Python"},
      {"{\"a\": None}", "None is Python"},
      {"{\n// why\n\"a\": 1}", "line 2"},
      {"{\n// why\n\"a\": 1}", "no comments"},
      {"{\"a\": 1 /* why */}", "no comments"},
      {"{\"a\": 1, # why\n}", "no comments"},
      {"{'a': 1}", "line 1, column 2: JSON's strings stand in double quotes"},
      {"{\"a\": 1,}", "line 1, column 9: a comma too much"},
      {"{\"a\": ", "ends early"},
      {"", "ends early"},
      {"<html>", "line 1, column 1: found '<html>'"},
      {"{\"a\" 1}", "line 1, column 6: found '1}'"},
  };
  for (const auto& row : kRows)
    EXPECT_THAT(JsonFault(row.text), HasSubstr(row.expected)) << row.text;
  EXPECT_EQ(JsonFault("{}"), "is not valid JSON");
}

TEST(JsonPlace, AnyBytesHaveAnAnswer) {
  const std::string text = "{\"a\": [1, -2.5e3, \"\\u00e9\", true, null, {}], \"b\": \"x\"}";
  for (size_t at = 0; at < text.size(); ++at) {
    JsonFault(text.substr(0, at));
    for (const char c : {'\0', '\n', '"', '/', '\xff', '-', ']'}) {
      std::string damaged = text;
      damaged[at] = c;
      JsonFault(damaged);
    }
  }
}

}  // namespace
}  // namespace mcv
