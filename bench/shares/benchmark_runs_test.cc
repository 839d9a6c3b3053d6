#include "bench/shares/benchmark_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace mcv::bench {
namespace {

using ::testing::HasSubstr;

std::string RunText(const std::string& share, const std::string& target = "avx2") {
  return R"({"context": {"num_cpus": 2, "cpu": "Some CPU @ 2 GHz", "threads": "2", "target": ")" +
         target + R"(", "limit_read_GB/s": "25.5"}, "benchmarks": [
           {"name": "Gemv/Q4_K/1/4096/4096/min_time:0.300/real_time", "of_peak": )" +
         share + R"(}, {"name": "Epilogue/none/real_time", "real_time": 3.5}]})";
}

BenchmarkRun RunOf(double share) {
  return {{{"cpu", "X"}, {"target", "avx2"}, {"threads", "2"}, {"limit_fp32_Tops", "0.2"}},
          {{"Gemv", share}}};
}

TEST(BenchmarkRunTest, SharesGoByTheShapeAndNothingElse) {
  const auto run = ParseBenchmarkRun(RunText("0.75"));
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_EQ(run->shares, (std::map<std::string, double>{{"Gemv/Q4_K/1/4096/4096", 0.75}}));
  EXPECT_EQ(run->context.at("target"), "avx2");
}

TEST(BenchmarkRunTest, SaysWhatIsWrongWithAFile) {
  const auto error = [](const std::string& text) {
    return ParseBenchmarkRun(text).status().ToString();
  };
  EXPECT_THAT(error(""), HasSubstr("expected Google Benchmark's JSON"));
  EXPECT_THAT(error(R"({"context": {}, "benchmarks": {}})"), HasSubstr("expected Google"));
  EXPECT_THAT(error(R"({"context": {}, "benchmarks": []})"),
              HasSubstr("no benchmark with a share"));
  EXPECT_THAT(error(R"({"context": {}, "benchmarks": [7]})"), HasSubstr("without a name"));
  for (const char* share : {"0", "-1", "\"1\"", "null"}) {
    EXPECT_THAT(error(RunText(share)), HasSubstr("no share above 0")) << share;
  }
}

TEST(JoinRunsTest, TakesMediansAndNotesTheNoise) {
  std::vector<BenchmarkRun> runs = {RunOf(0.5), RunOf(0.4), RunOf(0.6)};
  runs[1].context["limit_fp32_Tops"] = "0.25";
  const auto joined = JoinRuns(runs);
  ASSERT_TRUE(joined.ok()) << joined.status().ToString();
  EXPECT_EQ(joined->numbers, (Numbers{{"Gemv", {0.5, 0.4}}}));
  EXPECT_EQ(joined->about.at("runs"), "3");
  EXPECT_EQ(joined->about.at("limit_fp32_Tops"), "0.2 to 0.25");
}

TEST(JoinRunsTest, RunsOfDifferentTargetsOrUnknownOriginDoNotMix) {
  std::vector<BenchmarkRun> runs = {RunOf(0.5), RunOf(0.5)};
  runs[1].context["target"] = "ref";
  EXPECT_THAT(JoinRuns(runs).status().ToString(), HasSubstr("different target: avx2 and ref"));
  runs[1].context.erase("target");
  EXPECT_THAT(JoinRuns(runs).status().ToString(), HasSubstr("no \"target\""));
  EXPECT_FALSE(JoinRuns({}).ok());
}

TEST(BaselineFileNameTest, NamesProcessorTargetAndThreads) {
  const Accepted shares = {
      {{"cpu", "Some(R) CPU @ 2 GHz"}, {"target", "avx2"}, {"threads", "2"}, {"date", "today"}},
      {}};
  EXPECT_EQ(BaselineFileName(shares), "some-r-cpu-2-ghz-avx2-2-threads.json");
}

}  // namespace
}  // namespace mcv::bench
