// The picture is well-formed XML whatever the texts hold, and shows what was measured.
#include "apps/bench/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/bench/xml_check.h"
#include "family/config_hf.h"
#include "family/test_models.h"

namespace mcv::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Results SomeResults(const std::vector<std::string>& peers) {
  Results results;
  results.model.config = *ParseHfConfig(Published25Config(), "", "model");
  results.model.target = "avx2";
  results.model.threads = 2;
  results.date = "2026-01-02";
  results.limits = {50e9, 0.4e12, 0.9e12, 1.8e12};
  results.settings = {{"program", "1"}};
  results.machine = {{"processor", "A \"fast\" <one> & more \x01\xff"}};
  for (const std::string& name : peers)
    results.peers.push_back({name, "7 (build 1)", "", "-x <1>"});
  for (Job& job : JobsFor(AllRows(), true)) {
    Measured run;
    run.encode_seconds = 20.0;
    run.views = 10;
    run.prompt_tokens = 1019;
    run.tokens_per_second = 40.0;
    run.load_seconds = 0.2;
    run.wall_seconds = 30.0;
    run.peak_resident_bytes = 5'000'000'000u;
    JobSamples samples{std::move(job), {run}, {}};
    run.encode_seconds = 200.0;
    samples.peers.assign(peers.size(), {{run}, ""});
    results.jobs.push_back(std::move(samples));
  }
  results.notes = {"decode@4096: <why> & so on " + std::string(300, 'x')};
  return results;
}

TEST(ChartTest, IsWellFormed) {
  const std::vector<std::vector<std::string>> several = {
      {}, {"llama.cpp"}, {"llama.cpp", "ik_llama.cpp"}, {"a", "b", "c", "d"}};
  for (const std::vector<std::string>& peers : several) {
    const std::string svg = ChartSvg(SomeResults(peers));
    EXPECT_EQ(MistakeIn(svg), "");
    EXPECT_THAT(svg, HasSubstr("&lt;one&gt; &amp; more ??"));
    EXPECT_THAT(svg, HasSubstr("prefill, 1,024 tokens"));
    EXPECT_THAT(svg, HasSubstr("class=\"limit\""));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_EQ(svg.find("class=\"peer\"") != std::string::npos, peers.size() > 0);
    EXPECT_EQ(svg.find("class=\"peer1\"") != std::string::npos, peers.size() > 1);
    for (const std::string& name : peers) {
      EXPECT_THAT(svg, HasSubstr(">" + name + "<"));
      EXPECT_THAT(svg, HasSubstr("options of " + name + ": -x &lt;1&gt;"));
    }
  }
}

TEST(ChartTest, EveryRowHasItsPlaceEvenWithoutValues) {
  Results results = SomeResults({"llama.cpp"});
  for (JobSamples& samples : results.jobs) samples.own.clear(), samples.peers[0] = {};
  results.limits = {};
  const std::string svg = ChartSvg(results);
  EXPECT_EQ(MistakeIn(svg), "");
  EXPECT_THAT(svg, HasSubstr("peak resident memory"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(ChartTest, NothingIsWiderThanTheTrack) {
  Results results = SomeResults({"llama.cpp"});
  results.limits = {1.0, 1.0, 1.0, 1.0};  // everybody is far beyond the "limit"
  const std::string svg = ChartSvg(results);
  EXPECT_THAT(svg, HasSubstr("width=\"366.0\" height=\"15.0\" class=\"own\""));
  EXPECT_EQ(MistakeIn(svg), "");
}

}  // namespace
}  // namespace mcv::bench
