// Settings from files and from the command line, and which of them make sense.
#include "trainer/recipes/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "trainer/recipes/arguments.h"
#include "trainer/recipes/test_runs.h"

namespace mcv::trainer {
namespace {

TEST(ConfigTest, TheShippedModelsRecipeIsReadable) {
  for (const char* stage : {"encoder", "connector", "all"}) {
    TrainConfig config;
    const Status status =
        ReadConfig(std::string(MCV_SOURCE_DIR "/trainer/recipes/nano/") + stage + ".json", config);
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(config.stage, stage);
    EXPECT_TRUE(config.run_dir == TrainConfig().run_dir && config.init.empty());
  }
}

TEST(ConfigTest, PrecisionIsNamedOrChosen) {
  const torch::Device cpu(at::kCPU);
  EXPECT_EQ(MatrixType("bf16", cpu).value(), at::kBFloat16);
  EXPECT_EQ(MatrixType("fp32", cpu).value(), at::kFloat);
  EXPECT_TRUE(MatrixType("auto", cpu).ok());
  EXPECT_EQ(MatrixType("fp8", cpu).status().code(), StatusCode::kInvalidArgument);
}

TEST(ConfigTest, UnknownSettingNamesTheNearest) {
  const TestFolder folder("config_test");
  const std::string path = folder / "settings.json";
  std::ofstream(path) << R"({"wamup": 3})";
  TrainConfig config;
  const Status status = ReadConfig(path, config);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("warmup"), std::string::npos) << status.message();
  std::ofstream(path) << ConfigToJson(ToyConfigIn("x"));
  EXPECT_TRUE(ReadConfig(path, config).ok());
  EXPECT_EQ(config.vision_width, 64);
}

Arguments Read(std::vector<const char*> words) {
  words.insert(words.begin(), "mcv-train");
  return ReadArguments(static_cast<int>(words.size()), words.data());
}

TEST(ArgumentsTest, ASettingsFileIsReadInEitherSpellingAndFlagsWin) {
  const TestFolder folder("arguments_test");
  const std::string path = folder / "settings.json";
  std::ofstream(path) << R"({"warmup": 3, "steps": 77, "schedule": "cosine"})";
  const std::string joined = "--settings=" + path;
  for (const auto& words : {std::vector<const char*>{joined.c_str(), "--steps", "5"},
                            std::vector<const char*>{"--steps=5", "--settings", path.c_str()}}) {
    const Arguments arguments = Read(words);
    EXPECT_FALSE(arguments.exit_code.has_value());
    EXPECT_EQ(arguments.config.warmup, 3);
    EXPECT_EQ(arguments.config.steps, 5);
    EXPECT_EQ(arguments.config.schedule, "cosine");
  }
  EXPECT_EQ(Read({"--settings=/nowhere.json"}).exit_code, 1);
  EXPECT_EQ(Read({"--settings"}).exit_code, 2);
  EXPECT_EQ(Read({"--stebs", "5"}).exit_code, 2);
  EXPECT_EQ(Read({"--help"}).exit_code, 0);
  EXPECT_FALSE(Read({}).exit_code.has_value());
}

TEST(ArgumentsTest, WhatCannotBeIsRefusedByName) {
  const TestFolder folder("refused_test");
  struct Row {
    const char* flag;
    const char* value;
  };
  for (const Row& row : {Row{"optimizer", "adam"},
                         Row{"schedule", "cosin"},
                         Row{"stage", "decoder"},
                         Row{"precision", "fp8"},
                         Row{"device", "gpu"},
                         Row{"init-parts", "vpm.,lm."},
                         Row{"heads", "0"},
                         Row{"kv-heads", "0"},
                         Row{"vision-heads", "0"},
                         Row{"vision-heads", "5"},
                         Row{"width", "200"},
                         Row{"log-every", "0"},
                         Row{"batch", "0"},
                         Row{"batch", "-1"},
                         Row{"keep-checkpoints", "0"},
                         Row{"ema", "1"},
                         Row{"ema", "nan"},
                         Row{"beta2", "1.5"},
                         Row{"scene-difficulty", "1.1"},
                         Row{"min-turns", "0"},
                         Row{"max-turns", "2"},
                         Row{"steps", "0"},
                         Row{"lr", "-1"},
                         Row{"threads", "0"}}) {
    testing::internal::CaptureStderr();
    const Arguments arguments = Read({("--" + std::string(row.flag)).c_str(), row.value});
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(arguments.exit_code, 2) << row.flag << " " << row.value;
    EXPECT_NE(said.find(row.flag), std::string::npos) << said;
    // A program that does not come from the command line is told the same.
    TrainConfig config = arguments.config;
    config.run_dir = folder / "run";
    EXPECT_EQ(Trainer::Create(config).status().code(), StatusCode::kInvalidArgument) << row.flag;
  }
}

// A number that its type cannot hold would become another one.
TEST(ConfigTest, NumbersThatDoNotFitAreOfTheWrongType) {
  TrainConfig config;
  for (const char* json : {R"({"batch": 5000000000})", R"({"batch": 1.5})",
                           R"({"seed": 18446744073709551615})", R"({"heads": "four"})"}) {
    EXPECT_EQ(ParseConfig(json, "settings", config).code(), StatusCode::kInvalidArgument) << json;
  }
  EXPECT_EQ(config.batch, TrainConfig().batch);
  EXPECT_TRUE(ParseConfig(R"({"seed": 5000000000, "lr": 1})", "settings", config).ok());
  EXPECT_EQ(config.seed, 5000000000);
}

}  // namespace
}  // namespace mcv::trainer
