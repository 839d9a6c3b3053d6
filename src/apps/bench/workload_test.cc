// Our own runs on a tiny model: exactly as many tokens as asked for, and a value for what each run
// is there to tell.
#include "apps/bench/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "apps/bench/model_facts.h"
#include "engine/session.h"

namespace mcv::bench {
namespace {

Result<std::shared_ptr<const Engine>> OpenTiny() {
  EngineOptions options;
  options.model = MCV_TESTDATA "/goldens/models/v25_tiny/gguf/llm-f16.gguf";
  options.threads = 1;
  return Engine::Open(options);
}

Measured Measure(const WorkloadOptions& options) {
  const auto measured = RunWorkload(options, OpenTiny);
  EXPECT_TRUE(measured.ok()) << measured.status().ToString();
  return measured.ok() ? *measured : Measured();
}

TEST(WorkloadTest, PrefillsExactlySoManyTokens) {
  WorkloadOptions options;
  options.kind = JobKind::kPrefill;
  for (const int64_t tokens : {1, 7, 96}) {
    options.tokens = tokens;
    const Measured run = Measure(options);
    EXPECT_EQ(run.prompt_tokens, tokens);
    EXPECT_GT(run.tokens_per_second.value_or(0), 0.0);
    EXPECT_GT(run.load_seconds.value_or(0), 0.0);
  }
}

TEST(WorkloadTest, DecodesAfterAContext) {
  WorkloadOptions options;
  options.kind = JobKind::kDecode;
  options.decode_tokens = 3;
  for (const int64_t depth : {0, 1, 64}) {
    options.tokens = depth;
    EXPECT_GT(Measure(options).tokens_per_second.value_or(0), 0.0);
  }
}

TEST(WorkloadTest, ShowsAPicture) {
  const std::string path =
      testing::TempDir() + "workload_test_" + std::to_string(getpid()) + ".png";
  ASSERT_TRUE(WritePng(path, DrawPicture(100)).ok());
  WorkloadOptions options;
  options.kind = JobKind::kView;
  options.picture = path;
  options.question = "What?";
  const Measured run = Measure(options);
  EXPECT_GE(run.views, 1);
  EXPECT_GT(run.encode_seconds.value_or(0), 0.0);
  EXPECT_GT(run.prompt_tokens, 0);
  EXPECT_GE(run.wall_seconds, *run.encode_seconds);
  std::filesystem::remove(path);
  EXPECT_FALSE(RunWorkload(options, OpenTiny).ok());
}

TEST(WorkloadTest, CanBeStopped) {
  std::atomic<bool> cancel{true};
  WorkloadOptions options;
  options.kind = JobKind::kDecode;
  options.decode_tokens = 1;
  options.cancel = &cancel;
  EXPECT_EQ(RunWorkload(options, OpenTiny).status().code(), StatusCode::kCancelled);
}

TEST(WorkloadTest, QuestionsHaveExactlySoManyTokens) {
  for (const char* name : {"v25_tiny", "v26_tiny", "v20_tiny"}) {
    const auto tokenizer =
        LoadTokenizerFromFolder(std::string(MCV_TESTDATA "/goldens/models/") + name + "/hf");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
    for (const int64_t tokens : {1, 20, 21, 256}) {
      const auto question = QuestionOfTokens(**tokenizer, tokens);
      ASSERT_TRUE(question.ok()) << name << ": " << question.status().ToString();
      EXPECT_EQ(static_cast<int64_t>((*tokenizer)->EncodeText(*question).size()), tokens) << name;
    }
  }
}

TEST(WorkloadTest, ThePictureIsAlwaysTheSame) {
  EXPECT_EQ(DrawPicture(97).pixels, DrawPicture(97).pixels);
  EXPECT_EQ(DrawPicture(1).pixels.size(), 3u);
}

TEST(ModelFactsTest, NameTheFilesOfBothHalves) {
  const auto engine = OpenTiny();
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  const ModelFacts facts = DescribeModel(**engine);
  EXPECT_THAT(facts.text_file, testing::EndsWith("llm-f16.gguf"));
  EXPECT_THAT(facts.vision_file, testing::EndsWith("mmproj-f16.gguf"));
  EXPECT_EQ(facts.files.size(), 2u);
  EXPECT_GT(facts.text_bytes, facts.weight_bytes_per_token);
  EXPECT_FALSE(facts.quantised);
}

}  // namespace
}  // namespace mcv::bench
