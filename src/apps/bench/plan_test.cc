// Which rows a command line means, and which runs they share.
#include "apps/bench/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mcv::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Keys(const std::vector<Row>& rows) {
  std::vector<std::string> keys;
  for (const Row& row : rows) keys.push_back(RowKey(row));
  return keys;
}

std::vector<std::string> Parsed(const std::vector<std::string>& names) {
  const auto rows = ParseRows(names);
  EXPECT_TRUE(rows.ok()) << rows.status().ToString();
  return rows.ok() ? Keys(*rows) : std::vector<std::string>();
}

TEST(PlanTest, TheTableHasTheRowsOfTheComparison) {
  EXPECT_THAT(
      Keys(AllRows()),
      ElementsAre("encode@view", "encode@picture", "prefill@96", "prefill@256", "prefill@1024",
                  "decode@0", "decode@1024", "decode@4096", "decode-many@1", "decode-many@4",
                  "decode-many@16", "first-token@warm", "first-token@cold", "memory", "load"));
}

TEST(PlanTest, AGroupStandsForItsRows) {
  EXPECT_THAT(Parsed({"decode", "encode"}), ElementsAre("encode@view", "encode@picture", "decode@0",
                                                        "decode@1024", "decode@4096"));
  EXPECT_THAT(Parsed({"memory", "first-token@cold"}), ElementsAre("first-token@cold", "memory"));
}

TEST(PlanTest, AnyNumberOfTokensCanBeNamed) {
  EXPECT_THAT(Parsed({"prefill@512", "prefill@96", "decode@0", "prefill@512"}),
              ElementsAre("prefill@96", "prefill@512", "decode@0"));
}

TEST(PlanTest, NamesThatAreNoRowsAreRefused) {
  for (const char* name : {"", "fly", "encode@moon", "prefill@", "prefill@0", "prefill@-1",
                           "prefill@9x", "prefill@99999999999999999999", "decode@2000000",
                           "memory@1", "load@", "@96", "first-token@"}) {
    const auto rows = ParseRows({"memory", name});
    ASSERT_FALSE(rows.ok()) << name;
    EXPECT_THAT(rows.status().message(), HasSubstr("'" + std::string(name) + "'"));
    EXPECT_THAT(rows.status().message(), HasSubstr("prefill@TOKENS"));
  }
}

std::vector<std::string> JobKeys(const std::vector<std::string>& names, bool has_vision = true) {
  std::vector<std::string> keys;
  for (const Job& job : JobsFor(*ParseRows(names), has_vision)) {
    std::string key = JobKey(job) + ":";
    for (const Row& row : job.rows) key += " " + RowKey(row);
    keys.push_back(key);
  }
  return keys;
}

TEST(PlanTest, RowsOfOnePictureShareItsRun) {
  EXPECT_THAT(
      JobKeys({"encode", "first-token", "memory", "load"}),
      ElementsAre("view: encode@view load", "picture: encode@picture first-token@warm memory",
                  "picture-cold: first-token@cold"));
}

TEST(PlanTest, LoadingIsTakenFromWhateverPictureIsShown) {
  EXPECT_THAT(JobKeys({"memory", "load"}), ElementsAre("picture: memory load"));
  EXPECT_THAT(JobKeys({"load"}), ElementsAre("view: load"));
  EXPECT_THAT(JobKeys({"prefill@5", "load"}, false),
              ElementsAre("prefill@5: prefill@5", "load: load"));
}

}  // namespace
}  // namespace mcv::bench
