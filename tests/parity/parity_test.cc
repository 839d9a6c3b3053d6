// The committed golden values hold, and what does not hold is found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/parity/replay.h"

namespace mcv::parity {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kCommitted = MCV_TESTDATA "/goldens";

Report Replay(const std::string& folder, const std::string& run = "", int threads = 0) {
  ReplayOptions options;
  options.run = run;
  options.machine.threads = threads;
  auto report = ReplayGoldens(folder, options);
  EXPECT_TRUE(report.ok()) << report.status().ToString();
  return report.ok() ? *std::move(report) : Report();
}

// A copy of one small run that a test may damage.
class Damaged : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ =
        fs::path(::testing::TempDir()) /
        ("parity_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(root_);
    fs::create_directories(root_ / "models");
    fs::create_directories(root_ / "images");
    fs::create_directories(root_ / "expected/v20_tiny");
    const auto recursive = fs::copy_options::recursive;
    fs::copy(kCommitted + "/models/v20_tiny", root_ / "models/v20_tiny", recursive);
    fs::copy(kCommitted + "/images/img_40x30.png", root_ / "images/img_40x30.png");
    for (const auto& entry : fs::directory_iterator(kCommitted + "/expected/v20_tiny")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("img_40x30.") || name.starts_with("text_one")) {
        fs::copy(entry.path(), root_ / "expected/v20_tiny" / name);
      }
    }
  }
  fs::path Expected(const std::string& name) const { return root_ / "expected/v20_tiny" / name; }

  template <typename Change>
  void ChangeJson(const std::string& name, Change change) {
    nlohmann::json json;
    std::ifstream(Expected(name)) >> json;
    change(json);
    std::ofstream(Expected(name)) << json.dump();
  }
  // The stages that failed, and the first one's words.
  std::vector<std::string> FailedStages() {
    const Report report = Replay(root_.string());
    std::vector<std::string> stages;
    for (const ReportRow& row : report.rows()) {
      if (row.failures == 0) continue;
      stages.push_back(row.stage);
      if (detail_.empty()) detail_ = row.detail;
    }
    EXPECT_EQ(report.ok(), stages.empty());
    return stages;
  }

  fs::path root_;
  std::string detail_;
};

using ::testing::ElementsAre;

TEST(ParityTest, CommittedGoldensHold) {
  const Report report = Replay(kCommitted);
  EXPECT_TRUE(report.ok()) << report.Table();
  EXPECT_GT(report.checks(), 3000);
  std::set<std::string> stages;
  for (const ReportRow& row : report.rows()) stages.insert(row.stage);
  for (const char* stage : {"slicing", "pixels", "position_ids", "patch0", "prompt", "token_ids",
                            "image_spans", "vit_embedding", "vit_layer1", "vit", "resampler",
                            "resampler_overview", "llm_last_position_states", "prefill_logits",
                            "tokens", "top5", "tensors", "decoded_size"}) {
    EXPECT_TRUE(stages.contains(stage)) << stage;
  }
}

TEST(ParityTest, JsonSaysTheSame) {
  const Report report = Replay(kCommitted, "v20_tiny");
  const auto json = nlohmann::json::parse(report.Json());
  EXPECT_EQ(json["ok"], report.ok());
  EXPECT_EQ(json["rows"].size(), report.rows().size());
  EXPECT_EQ(json["checks"], report.checks());
}

TEST_F(Damaged, UndamagedHolds) { EXPECT_THAT(FailedStages(), ElementsAre()); }

TEST_F(Damaged, ThreadsDoNotShow) {
  const Report one = Replay(root_.string(), "", 1), three = Replay(root_.string(), "", 3);
  ASSERT_EQ(one.rows().size(), three.rows().size());
  for (size_t i = 0; i < one.rows().size(); ++i) {
    EXPECT_EQ(one.rows()[i].worst, three.rows()[i].worst) << one.rows()[i].stage;
  }
}

TEST_F(Damaged, MissingFileOfExpectedValuesFails) {
  fs::remove(Expected("img_40x30.prefill_logits.npy"));
  EXPECT_THAT(FailedStages(), ElementsAre("files"));
  EXPECT_THAT(detail_, HasSubstr("prefill_logits.npy"));
}

TEST_F(Damaged, WrongNumbersAreFoundAtTheirStage) {
  ChangeJson("img_40x30.json", [](nlohmann::json& json) {
    json["vit"][0]["first64"][7] = json["vit"][0]["first64"][7].get<double>() + 2e-4;
  });
  EXPECT_THAT(FailedStages(), ElementsAre("vit"));
  EXPECT_THAT(detail_, HasSubstr("element 7"));
}

TEST_F(Damaged, WrongTokenAndWrongHashAreFound) {
  ChangeJson("img_40x30.json", [](nlohmann::json& json) {
    json["slices"][0]["sha256"] = std::string(64, '0');
    json["ids_runs"][0][0] = 2;
  });
  EXPECT_THAT(FailedStages(), ElementsAre("pixels", "token_ids"));
}

TEST_F(Damaged, MissingPictureAndMissingModelFail) {
  fs::remove(root_ / "images/img_40x30.png");
  EXPECT_THAT(FailedStages(), ElementsAre("files"));
  fs::remove_all(root_ / "models/v20_tiny/hf");
  EXPECT_FALSE(Replay(root_.string()).ok());
}

TEST_F(Damaged, FieldOfAnotherKindFailsThatCaseOnly) {
  ChangeJson("img_40x30.json", [](nlohmann::json& json) { json["vit"][0]["shape"] = "large"; });
  const Report report = Replay(root_.string());
  EXPECT_FALSE(report.ok());
  EXPECT_GT(report.checks(), 10);
}

TEST_F(Damaged, OptionalStagesMayBeAbsentAndAreNamed) {
  ChangeJson("img_40x30.json", [](nlohmann::json& json) {
    json.erase("slices");
    json.erase("vit_layer1");
    json.erase("top5");
  });
  const Report report = Replay(root_.string());
  EXPECT_TRUE(report.ok()) << report.Table();
  EXPECT_THAT(report.Table(), HasSubstr("no expected slices"));
  EXPECT_THAT(report.Table(), HasSubstr("slicing_cases.tsv is not there"));
}

TEST(ParityRefusalTest, NothingToReplayIsNoSuccess) {
  EXPECT_FALSE(ReplayGoldens(kCommitted + "/absent", {}).ok());
  ReplayOptions options;
  options.run = "no_such_run";
  EXPECT_EQ(ReplayGoldens(kCommitted, options).status().code(), StatusCode::kNotFound);
  options = {};
  options.machine.target = "abacus";
  EXPECT_FALSE(ReplayGoldens(kCommitted, options).ok());
  const fs::path empty = fs::path(::testing::TempDir()) / "parity_empty";
  fs::create_directories(empty);
  EXPECT_FALSE(Replay(empty.string()).ok());
}

}  // namespace
}  // namespace mcv::parity
