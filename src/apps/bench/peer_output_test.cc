// Outputs in the form that llama.cpp's programs print, with numbers of our own.
#include "apps/bench/peer_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mcv::bench {
namespace {

using ::testing::HasSubstr;

constexpr const char* kBench = R"(some log line [with brackets
[
  { "build_commit": "x", "n_prompt": 96, "n_gen": 0, "n_depth": 0, "avg_ts": 27.25 },
  { "build_commit": "x", "n_prompt": 0, "n_gen": 32, "n_depth": 1024, "avg_ts": 6.5 }
]
)";

TEST(PeerOutputTest, FindsTheTestInLlamaBench) {
  const std::string output = std::string(kBench).substr(std::string(kBench).find("\n[") + 1);
  EXPECT_DOUBLE_EQ(*ParseLlamaBench(output, 96, 0), 27.25);
  EXPECT_DOUBLE_EQ(*ParseLlamaBench(output, 0, 32), 6.5);
  const auto other = ParseLlamaBench(output, 256, 0);
  EXPECT_THAT(other.status().message(), HasSubstr("256 prompt and 0 generated"));
}

// ik_llama.cpp's records know no depth: the prompt of its test is the context.
TEST(PeerOutputTest, FindsAForksTestWithContext) {
  const std::string output =
      "[\n  {\n    \"build_commit\": \"y\", \"n_threads\": 2, \"repack\": true,\n"
      "    \"n_prompt\": 1024, \"n_gen\": 32, \"avg_ts\": 5.75, \"test\": \"tg32@pp1024\",\n"
      "    \"samples_ts\": [ 5.75 ]\n  }\n]\n";
  EXPECT_DOUBLE_EQ(*ParseLlamaBench(output, 1024, 32), 5.75);
  EXPECT_FALSE(ParseLlamaBench(output, 0, 32).ok());
}

TEST(PeerOutputTest, ContextBeforeADecodeRunHasAnOptionOrNot) {
  EXPECT_EQ(ParseDepthOption("  -pg <pp,tg>   (default: )\n  -d, --n-depth <n>   (default: 0)\n"),
            "-d");
  EXPECT_EQ(ParseDepthOption("  -pg <pp,tg>   (default: )\n  -gp <pp,tg>   (default: )\n"), "-gp");
  for (const char* help : {"", "  -pg <pp,tg>\n", "  --device <d>\n  -dev, --gp\n", "-", "-g"}) {
    EXPECT_EQ(ParseDepthOption(help), "") << help;
  }
}

TEST(PeerOutputTest, OtherOutputIsNotUnderstood) {
  for (const char* output :
       {"", "error: out of memory", "[", "]", "][", "[]", "[1, 2]", "[{}]",
        R"([{"n_prompt": 96, "n_gen": 0}])", R"([{"n_prompt": 96, "n_gen": 0, "avg_ts": "x"}])",
        R"([{"n_prompt": 96, "n_gen": 0, "avg_ts": 0}])", "[{\"n_prompt\": 96, "}) {
    const auto rate = ParseLlamaBench(output, 96, 0);
    ASSERT_FALSE(rate.ok()) << output;
    EXPECT_EQ(rate.status().code(), StatusCode::kCorrupt);
  }
  EXPECT_THAT(ParseLlamaBench("", 1, 0).status().message(), HasSubstr("printed nothing"));
  EXPECT_THAT(ParseLlamaBench("dead\n", 1, 0).status().message(), HasSubstr("ended with\ndead"));
}

TEST(PeerOutputTest, AddsUpTheBatchesOfAPicture) {
  const auto run = ParseMtmdLog(
      "0.05.400.100 W WARN: This is an experimental CLI for testing multimodal capability.\n"
      "0.06.000.000 I encoding mtmd batch, n_chunks = 1 (done = 1, total = 3)\n"
      "0.26.000.000 I mtmd batch encoding done in 20000 ms\n"
      "0.27.000.000 I encoding mtmd batch, n_chunks = 2 (done = 3, total = 3)\n"
      "1.07.000.000 I mtmd batch encoding done in 40500 ms\n");
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_EQ(run->views, 3);
  EXPECT_DOUBLE_EQ(*run->encode_seconds, 60.5);
  EXPECT_NEAR(*run->load_seconds, 5.4001, 1e-9);
}

TEST(PeerOutputTest, ReadsTheOlderWordingToo) {
  const auto run = ParseMtmdLog(
      "encoding image slice...\nimage slice encoded in 4800 ms\n"
      "decoding image batch 1/1, n_tokens_batch = 96\n"
      "encoding image slice...\nimage slice encoded in 5200 ms\n");
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_EQ(run->views, 2);
  EXPECT_DOUBLE_EQ(*run->encode_seconds, 10.0);
  EXPECT_FALSE(run->load_seconds.has_value());
}

// As ik_llama.cpp prints them: no clock, other lines between, the answer at the end of one.
TEST(PeerOutputTest, ReadsAForksLog) {
  const auto run = ParseMtmdLog(
      "build: 1 (abc) with cc for here\n"
      "mtmd_cli_context: chat template example:\n<user> hello\n"
      "encoding image slice...\nimage slice encoded in 2500 ms\n"
      "decoding image batch 1/1, n_tokens_batch = 96\n"
      "image decoded (batch 1/1) in 1900 ms\n\nA");
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_EQ(run->views, 1);
  EXPECT_DOUBLE_EQ(*run->encode_seconds, 2.5);
  EXPECT_FALSE(run->load_seconds.has_value());
}

TEST(PeerOutputTest, ALogWithoutEncodeTimesIsNotUnderstood) {
  EXPECT_EQ(ParseMtmdLog("").status().code(), StatusCode::kCorrupt);
  const auto failed = ParseMtmdLog("E Failed to load vision model from /m/mmproj.gguf\n");
  EXPECT_THAT(failed.status().message(), HasSubstr("Failed to load vision model"));
  EXPECT_FALSE(ParseMtmdLog("encoding mtmd batch, n_chunks = 1\n").ok());
  EXPECT_FALSE(ParseMtmdLog(std::string(1 << 20, '9') + " batch encoding done in 5 ms").ok());
}

TEST(PeerOutputTest, VersionAndBackend) {
  const std::string told =
      "load_backend: loaded CPU backend from /usr/lib/ggml/libggml-cpu-haswell.so\n"
      "version: 0.7.0 (build 11669, commit Debian)\nbuilt with GNU\n";
  EXPECT_EQ(ParseVersion(told), "0.7.0 (build 11669, commit Debian)");
  EXPECT_EQ(ParseBackend(told), "libggml-cpu-haswell.so");
  EXPECT_EQ(ParseVersion("error: no such option: --version\nversion: 12 (abc)\nbuilt with cc\n"),
            "12 (abc)");
  EXPECT_EQ(ParseVersion("error: invalid parameter"), "");
  EXPECT_EQ(ParseBackend(""), "");
}

TEST(PeerOutputTest, BatchedBench) {
  const std::string output =
      "build: 11669\n"
      "{\"n_kv_max\": 256, \"pp\": 32, \"tg\": 8, \"pl\": 1, \"speed_tg\": 5.0}\n"
      "{\"n_kv_max\": 256, \"pp\": 32, \"tg\": 8, \"pl\": 4, \"speed_pp\": 16.1, \"speed_tg\": "
      "12.5}\n";
  EXPECT_EQ(*ParseBatchedBench(output, 4), 12.5);
  EXPECT_EQ(ParseBatchedBench(output, 16).status().code(), StatusCode::kCorrupt);
  EXPECT_EQ(ParseBatchedBench("", 1).status().code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace mcv::bench
