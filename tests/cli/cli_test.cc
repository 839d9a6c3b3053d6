// The program from outside: real commands, their output and their exit status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/run_program.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Data(const std::string& path) { return std::string(MCV_TESTDATA "/goldens/") + path; }

class CliTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("cli_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string Write(const std::string& name, const std::string& contents) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << contents;
    return path;
  }
  // A tiny model with random weights: what it says means nothing, that it runs does.
  std::string Model() { return "--model " + Data("models/v25_tiny/gguf/llm-f16.gguf"); }
  std::string Picture() { return Data("images/img_40x30.png"); }
  fs::path folder_;
};

TEST_F(CliTest, AsksInJson) {
  const Finished run = RunProgram("ask " + Picture() + " 'What is it?' --json -n 4 " + Model());
  ASSERT_EQ(run.exit_code, 0) << run.output;
  const auto json = nlohmann::json::parse(run.output);
  EXPECT_EQ(json["model"]["version"], "2.5");
  EXPECT_EQ(json["pictures"][0]["width"], 40);
  EXPECT_EQ(json["pictures"][0]["views"], 1);
  EXPECT_EQ(json["stats"]["generated_tokens"], json["ids"].size());
  EXPECT_GT(json["stats"]["peak_resident_bytes"], 0);
}

TEST_F(CliTest, TheSameQuestionGetsTheSameAnswer) {
  const std::string command =
      "ask " + Picture() + " 'Why?' --json -n 8 --sample --seed 7 " + Model();
  const auto first = nlohmann::json::parse(RunProgram(command).output);
  const auto second = nlohmann::json::parse(RunProgram(command + " --threads 1").output);
  EXPECT_EQ(first["ids"], second["ids"]);
}

TEST_F(CliTest, CacheTypes) {
  int64_t f16_bytes = 0;
  for (const auto& [option, name] :
       {std::pair{"f16", "F16"}, {"f32", "F32"}, {"bf16", "BF16"}, {"q8_0", "Q8_0"}}) {
    const Finished run =
        RunProgram("ask 'Hello' --json -n 2 " + Model() + " --cache-type " + option);
    ASSERT_EQ(run.exit_code, 0) << run.output;
    const auto stats = nlohmann::json::parse(run.output)["stats"];
    EXPECT_EQ(stats["cache_type"], name);
    const int64_t bytes = stats["cache_bytes_per_position"];
    if (f16_bytes == 0) f16_bytes = bytes;
    EXPECT_EQ(bytes < f16_bytes, std::string(option) == "q8_0");
  }
  EXPECT_EQ(RunProgram("ask 'Hello' --cache-type q4_0 " + Model()).exit_code, 2);
  EXPECT_THAT(RunProgram("ask 'Hello' -n 2 --stats --cache-type q8_0 " + Model()).output,
              HasSubstr("Q8_0, "));
}

TEST_F(CliTest, TextOnlyAndQuestionFromAPipe) {
  EXPECT_EQ(RunProgram("ask 'Hello' -n 2 " + Model()).exit_code, 0);
  EXPECT_EQ(RunProgram("ask - -n 2 " + Model(), "Hello").exit_code, 0);
}

TEST_F(CliTest, Chats) {
  const std::string saved = (folder_ / "talk.json").string();
  const Finished run = RunProgram(
      "chat -n 2 " + Model(),
      "/image " + Picture() + "\nWhat?\nAnd now?\n/stats\n/save " + saved + "\n/clear\n/quit\n");
  ASSERT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("picture 1: "));
  EXPECT_THAT(run.output, HasSubstr("kept)"));
  const auto json = nlohmann::json::parse(std::ifstream(saved));
  EXPECT_EQ(json["turns"].size(), 4u);
  EXPECT_EQ(json["turns"][0]["pictures"][0], Picture());
}

TEST_F(CliTest, ChatGoesOnAfterAMistake) {
  const Finished run =
      RunProgram("chat -n 2 " + Model(), "/image nowhere.png\n/nonsense\nHi\n/quit\n");
  EXPECT_THAT(run.output, HasSubstr("nowhere.png"));
  EXPECT_THAT(run.output, HasSubstr("/help"));
  EXPECT_EQ(run.exit_code, 1);
}

TEST_F(CliTest, UsageErrors) {
  EXPECT_EQ(RunProgram("").exit_code, 2);
  EXPECT_EQ(RunProgram("fly").exit_code, 2);
  EXPECT_EQ(RunProgram("ask").exit_code, 2);
  EXPECT_EQ(RunProgram("ask hi --threads 0 " + Model()).exit_code, 2);
  EXPECT_EQ(RunProgram("ask hi --top-p 3 " + Model()).exit_code, 2);
  EXPECT_EQ(RunProgram("--help").exit_code, 0);
  EXPECT_EQ(RunProgram("--version").exit_code, 0);
}

TEST_F(CliTest, BadModels) {
  const Finished missing = RunProgram("ask hi --model /no/such/model.gguf");
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.output, HasSubstr("/no/such/model.gguf"));
  EXPECT_EQ(RunProgram("ask hi --model " + folder_.string()).exit_code, 3);
  const Finished text = RunProgram("ask hi --model " + Write("note.gguf", "not a model at all"));
  EXPECT_EQ(text.exit_code, 3);
  EXPECT_THAT(text.output, HasSubstr("note.gguf"));
}

TEST_F(CliTest, BadPictures) {
  const auto ask = [&](const std::string& path) {
    return RunProgram("ask " + path + " hi -n 1 " + Model());
  };
  EXPECT_EQ(ask("nowhere.png").exit_code, 3);
  EXPECT_EQ(ask(folder_.string()).exit_code, 3);
  EXPECT_EQ(ask(Write("empty.png", "")).exit_code, 3);
  const Finished text = ask(Write("letter.txt", "Dear reader, this is not a picture."));
  EXPECT_EQ(text.exit_code, 3);
  EXPECT_THAT(text.output, HasSubstr("JPEG, PNG"));
  const Finished gif = ask(Write("old.gif", std::string("GIF89a\x01\x00\x01\x00", 10)));
  EXPECT_EQ(gif.exit_code, 3);
  EXPECT_THAT(gif.output, HasSubstr("GIF"));
}

TEST_F(CliTest, BadPrompts) {
  EXPECT_EQ(RunProgram("ask '' " + Model()).exit_code, 3);
  EXPECT_EQ(RunProgram("ask \"$(printf '\\377\\376')\" " + Model()).exit_code, 3);
  const std::string long_text(20000, 'x');
  const Finished full = RunProgram("ask - --ctx 64 " + Model(), long_text);
  EXPECT_EQ(full.exit_code, 4) << full.output;
  EXPECT_THAT(full.output, HasSubstr("64"));
}

TEST_F(CliTest, FullDiskOnSaveIsTold) {
  const Finished run =
      RunProgram("chat -n 1 " + Model(), "Hi\n/save /no/such/folder/talk.md\n/quit\n");
  EXPECT_THAT(run.output, HasSubstr("/no/such/folder/talk.md"));
}

TEST_F(CliTest, Inspects) {
  const Finished text = RunProgram("inspect " + Data("models/v25_tiny/gguf/llm-f16.gguf"));
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.output, HasSubstr("2.5"));
  const Finished json = RunProgram("inspect --json " + Data("models/v25_tiny/gguf/llm-f16.gguf"));
  EXPECT_TRUE(nlohmann::json::accept(json.output)) << json.output;
}

TEST_F(CliTest, UnknownTargetListsWhatThereIs) {
  const Finished run = RunProgram("ask hi --target abacus " + Model());
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.output, HasSubstr("ref"));
}

}  // namespace
}  // namespace mcv
