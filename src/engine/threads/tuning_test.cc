// Settings per stage, and the file that remembers them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/engine.h"
#include "engine/session.h"
#include "engine/threads/tuner.h"
#include "engine/threads/tuning_file.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Model() { return MCV_TESTDATA "/goldens/models/v25_tiny/gguf/llm-f16.gguf"; }

ThreadSettings Unusual() {
  ThreadSettings settings;
  settings.of(Stage::kEncode) = {3, Placement::kCores, {16, 120}};
  settings.of(Stage::kPrefill) = {2, Placement::kSpread, {64, 2160}};
  settings.of(Stage::kDecode) = {1, Placement::kFree, {8, 1080}};
  settings.batch_tokens = 7;
  return settings;
}

class TuningTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) {
    fs::create_directories(fs::path(path_).parent_path());
    std::ofstream(path_) << text;
  }
  std::shared_ptr<const Engine> Open(EngineOptions options = {}) {
    options.model = Model();
    options.tuning = path_;
    auto engine = Engine::Open(options);
    EXPECT_TRUE(engine.ok()) << engine.status().ToString();
    return engine.ok() ? *engine : nullptr;
  }
  // An entry that fits this machine and the test's model.
  TuningEntry Fitting() {
    const auto engine = Open();
    return {MachineKey(ReadCpuTopology(), engine->target_name(), Numerics::kFast),
            ModelKey(engine->files()), Unusual()};
  }
  TestFolder folder_{"tuning_test"};
  const std::string path_ = (folder_ / "sub/tuning.json").string();
};

TEST_F(TuningTest, ARoundTripKeepsEverything) {
  TuningFile file;
  file.Put({"machine \"1\"", "model", SameThreads(4)});
  file.Put({"machine \"1\"", "model", Unusual()});
  file.Put({"other", "model", SameThreads(1024)});
  ASSERT_TRUE(file.Write(path_).ok());
  const auto read = TuningFile::Read(path_);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ASSERT_EQ(read->entries().size(), 2u);
  ASSERT_NE(read->Find("machine \"1\"", "model"), nullptr);
  EXPECT_EQ(read->Find("machine \"1\"", "model")->settings, Unusual());
  EXPECT_EQ(read->Find("other", "elsewhere"), nullptr);
  for (int i = 0; i < 150; ++i) file.Put({"m" + std::to_string(i), "model", {}});
  EXPECT_EQ(file.entries().size(), 100u);
  EXPECT_EQ(file.entries().back().machine, "m149");
}

TEST_F(TuningTest, AppliesWhatFits) {
  EXPECT_EQ(Open()->thread_source(), "default");  // no file: nothing to tell
  TuningFile file;
  file.Put(Fitting());
  ASSERT_TRUE(file.Write(path_).ok());
  const auto engine = Open();
  EXPECT_EQ(engine->thread_settings(), Unusual());
  EXPECT_EQ(engine->threads(), 3);
  EXPECT_THAT(engine->thread_source(), HasSubstr(path_));
  EngineOptions asked;
  asked.threads = 2;
  EXPECT_EQ(Open(asked)->thread_settings(), SameThreads(2));
  EngineOptions exact;  // other arithmetic, other measurement
  exact.numerics = Numerics::kExact;
  EXPECT_THAT(Open(exact)->thread_source(), HasSubstr("another machine or model"));
}

TEST_F(TuningTest, AnotherMachineOrModelIsIgnored) {
  for (const bool machine : {true, false}) {
    TuningEntry entry = Fitting();
    (machine ? entry.machine : entry.model) += "x";
    TuningFile file;
    file.Put(entry);
    ASSERT_TRUE(file.Write(path_).ok());
    const auto engine = Open();
    EXPECT_EQ(engine->threads(), DefaultThreadCount());
    EXPECT_THAT(engine->thread_source(), HasSubstr("another machine or model"));
    EXPECT_THAT(engine->notes(), IsEmpty());
  }
}

TEST_F(TuningTest, WhatIsNoTuningFileIsIgnoredWithANote) {
  TuningFile file;
  file.Put(Fitting());
  const std::string good = file.ToText();
  std::vector<std::string> bad = {"",
                                  "{",
                                  "[]",
                                  "null",
                                  "\xff\xfe",
                                  good.substr(0, good.size() / 2),
                                  "{\"minicpmv_tuning\": 2, \"entries\": []}",
                                  "{\"minicpmv_tuning\": 1, \"entries\": {}}",
                                  "{\"minicpmv_tuning\": 1, \"entries\": [5]}",
                                  std::string(100000, '['),
                                  good + std::string(2 << 20, ' ')};
  // Every number out of its range, and of another kind.
  for (const char* stage : {"encode", "prefill", "decode"}) {
    for (const char* field : {"threads", "rows", "tokens", "placement"}) {
      for (const nlohmann::json& value :
           {nlohmann::json(0), nlohmann::json(-1), nlohmann::json(1000001),
            nlohmann::json(UINT64_MAX), nlohmann::json(1.5), nlohmann::json("x"),
            nlohmann::json(nullptr)}) {
        auto json = nlohmann::json::parse(good);
        json["entries"][0][stage][field] = value;
        bad.push_back(json.dump());
      }
    }
    auto json = nlohmann::json::parse(good);
    json["entries"][0].erase(stage);
    bad.push_back(json.dump());
  }
  for (const std::string& text : bad) {
    EXPECT_FALSE(TuningFile::Parse(text).ok() && text.size() < (1 << 20)) << text;
  }
  for (const size_t index : {size_t{0}, size_t{5}, size_t{10}, bad.size() - 1}) {
    Write(bad[index]);
    const auto engine = Open();
    EXPECT_EQ(engine->threads(), DefaultThreadCount());
    ASSERT_EQ(engine->notes().size(), 1u);
    EXPECT_THAT(engine->notes()[0], HasSubstr("tuning is ignored"));
    EXPECT_THAT(engine->notes()[0], HasSubstr(path_));
  }
}

// The claim of docs/numerics.md, through a whole conversation.
TEST_F(TuningTest, AnswersDoNotDependOnThreadsPlacesOrPieces) {
  Image image;
  image.width = image.height = 60;
  for (int i = 0; i < 60 * 60 * 3; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 7 % 251));
  const auto answer = [&](const ThreadSettings& settings) {
    EngineOptions options;
    options.stages = settings;
    const auto session = *Open(options)->NewSession();
    const int picture = *session->AddImage(image);
    AskOptions ask;
    ask.max_tokens = 12;
    return session->Ask({"What?", {picture}}, ask)->ids;
  };
  const std::vector<int32_t> first = answer(SameThreads(1));
  EXPECT_EQ(answer(SameThreads(2)), first);
  EXPECT_EQ(answer(SameThreads(3)), first);
  ThreadSettings unusual = Unusual();
  unusual.batch_tokens = kDefaultBatchTokens;
  EXPECT_EQ(answer(unusual), first);
}

TEST_F(TuningTest, TheCallersThreadIsFreeAgain) {
  const size_t before = ReadCpuTopology().cpus.size();
  EngineOptions options;
  options.stages = Unusual();
  const auto session = *Open(options)->NewSession();
  AskOptions ask;
  ask.max_tokens = 2;
  ASSERT_TRUE(session->Ask({"What?", {}}, ask).ok());
  EXPECT_EQ(ReadCpuTopology().cpus.size(), before);
}

TEST_F(TuningTest, MeasuresEveryStageAndStopsWhenTold) {
  const auto engine = Open();
  std::atomic<bool> cancel{false};
  TunerOptions options;
  options.budget_seconds = 0.2;
  options.cancel = &cancel;
  int progress = 0;
  options.on_progress = [&](const TunerProgress&) { ++progress; };
  const auto result = Tune(*engine, options);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  ASSERT_EQ(result->stages.size(), 3u);
  EXPECT_TRUE(Validate(result->settings).ok());
  for (const StageTuning& stage : result->stages) {
    EXPECT_EQ(stage.candidates[0].settings.threads, DefaultThreadCount());
    ASSERT_LT(stage.chosen, stage.candidates.size());
    EXPECT_EQ(stage.candidates[stage.chosen].settings, result->settings.of(stage.stage));
    for (const TunedCandidate& candidate : stage.candidates) EXPECT_GT(candidate.seconds, 0.0);
    EXPECT_TRUE(stage.chosen == 0 || stage.gain() > 1.03);
  }
  EXPECT_GT(progress, 3);
  cancel = true;
  EXPECT_EQ(Tune(*engine, options).status().code(), StatusCode::kCancelled);
}

TEST(CandidateThreads, TheDefaultFirstAndWithinTheQuota) {
  CpuTopology topology;
  for (int cpu = 0; cpu < 8; ++cpu) topology.cpus.push_back({cpu, cpu / 2, 0, 0});
  EXPECT_THAT(CandidateThreads(topology), ElementsAre(4, 8, 3, 2, 1));
  topology.quota = 2.0;
  EXPECT_THAT(CandidateThreads(topology), ElementsAre(2, 1));
}

}  // namespace
}  // namespace mcv
