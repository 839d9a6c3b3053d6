// A run folder belongs to one run: what may go on there, and what its log says.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "trainer/recipes/test_runs.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

TEST_F(TrainerTest, ARunFolderThatIsInUseNeedsResume) {
  TrainConfig config = ToyConfig("used");
  config.steps = 2;
  ASSERT_TRUE(TrainUntilDone(config).ok());
  const std::string before = NewestCheckpoint(config.run_dir).value();
  const std::string log = Bytes(config.run_dir + "/log.jsonl");
  const Status refused = Trainer::Create(config).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(refused.message().find("--resume"), std::string::npos) << refused.ToString();
  EXPECT_EQ(NewestCheckpoint(config.run_dir).value(), before);
  EXPECT_EQ(Bytes(config.run_dir + "/log.jsonl"), log);
}

TEST_F(TrainerTest, ResumeRefusesOtherSettingsByName) {
  TrainConfig config = ToyConfig("settings");
  config.steps = 2;
  ASSERT_TRUE(TrainUntilDone(config).ok());
  config.resume = true;
  TrainConfig other = config;
  other.lr = 0.5;
  other.seed = 3;
  const Status refused = Trainer::Create(other).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  for (const char* part : {"lr (0.002, now 0.5)", "seed (1, now 3)"}) {
    EXPECT_NE(refused.message().find(part), std::string::npos) << refused.ToString();
  }
  EXPECT_EQ(refused.message().find("batch"), std::string::npos) << refused.ToString();
  // Where and how fast it runs is not what is trained.
  other = config;
  other.log_every = 1;
  other.keep_checkpoints = 5;
  other.loader_threads = 2;
  const Status accepted = Trainer::Create(other).status();
  EXPECT_TRUE(accepted.ok()) << accepted.ToString();
}

// On another machine "auto" may stand for something else: a run keeps what it began with.
TEST_F(TrainerTest, AutomaticPrecisionIsSavedAsWhatItBecame) {
  TrainConfig config = ToyConfig("precision");
  config.steps = 1;
  ASSERT_EQ(config.precision, "auto");
  ASSERT_TRUE(TrainUntilDone(config).ok());
  TrainConfig saved;
  ASSERT_TRUE(ReadConfig(config.run_dir + "/config.json", saved).ok());
  const auto automatic = MatrixType("auto", torch::Device(at::kCPU));
  EXPECT_EQ(saved.precision, PrecisionName(automatic.value()));
  const auto state = ReadRunState(NewestCheckpoint(config.run_dir).value());
  ASSERT_TRUE(state.ok());
  ASSERT_TRUE(ParseConfig(state.value().config_json, "state", saved).ok());
  EXPECT_EQ(saved.precision, PrecisionName(automatic.value()));

  // A run that began with the other type goes on with it.
  TrainConfig begun = ToyConfig("other-precision");
  begun.steps = 1;
  begun.precision = automatic.value() == at::kFloat ? "bf16" : "fp32";
  ASSERT_TRUE(TrainUntilDone(begun).ok());
  TrainConfig resumed = begun;
  resumed.resume = true;
  resumed.precision = "auto";
  const Status accepted = Trainer::Create(resumed).status();
  EXPECT_TRUE(accepted.ok()) << accepted.ToString();
  ASSERT_TRUE(ReadConfig(begun.run_dir + "/config.json", saved).ok());
  EXPECT_EQ(saved.precision, begun.precision);
  resumed.precision = begun.precision == "bf16" ? "fp32" : "bf16";
  const Status refused = Trainer::Create(resumed).status();
  EXPECT_NE(refused.message().find("precision"), std::string::npos) << refused.ToString();
}

// Killed behind a log line that no checkpoint covers, in the middle of writing the next one.
TEST_F(TrainerTest, AfterAKillTheLogHasEveryStepOnce) {
  TrainConfig config = ToyConfig("killed");
  config.log_every = 1;
  config.keep_checkpoints = 100;
  config.checkpoint_minutes = 0;  // after every step
  ASSERT_TRUE(TrainUntilDone(config).ok());
  const std::string log = config.run_dir + "/log.jsonl";
  const std::string whole = Bytes(log);
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 6);
  for (const char* lost : {"step-00000004", "step-00000005", "step-00000006"}) {
    ASSERT_GT(fs::remove_all(fs::path(config.run_dir) / "checkpoints" / lost), 0u);
  }
  std::ofstream(log, std::ios::app) << R"({"step":7,"pict)";
  config.resume = true;
  ASSERT_TRUE(TrainUntilDone(config).ok());
  std::istringstream lines(Bytes(log));
  std::vector<std::string> steps;
  for (std::string line; std::getline(lines, line);) {
    steps.push_back(line.substr(0, line.find(',')));
  }
  const std::vector<std::string> expected = {"{\"step\":1", "{\"step\":2", "{\"step\":3",
                                             "{\"step\":4", "{\"step\":5", "{\"step\":6"};
  EXPECT_EQ(steps, expected);
}

}  // namespace
}  // namespace mcv::trainer
