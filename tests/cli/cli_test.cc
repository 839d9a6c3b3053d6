// The program from outside: real commands, their output and their exit status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/run_program.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

#ifdef MCV_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

std::string Data(const std::string& path) { return std::string(MCV_TESTDATA "/goldens/") + path; }

class CliTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& contents) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << contents;
    return path;
  }
  // A tiny model with random weights: what it says means nothing, that it runs does.
  std::string Model() { return "--model " + Data("models/v25_tiny/gguf/llm-f16.gguf"); }
  std::string Picture() { return Data("images/img_40x30.png"); }
  TestFolder folder_{"cli_test"};
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

TEST_F(CliTest, UsageErrors) {
  EXPECT_EQ(RunProgram("").exit_code, 2);
  EXPECT_EQ(RunProgram("fly").exit_code, 2);
  EXPECT_EQ(RunProgram("ask").exit_code, 2);
  EXPECT_EQ(RunProgram("ask hi --top-p 3 " + Model()).exit_code, 2);
  EXPECT_EQ(RunProgram("--help").exit_code, 0);
  EXPECT_EQ(RunProgram("--version").exit_code, 0);
}

TEST_F(CliTest, ThreadCountsThatCannotBe) {
  for (const char* count : {"0", "-1", "10000", "99999999999999999999", "two", "1.5", "''"}) {
    for (const char* command : {"ask hi ", "plan ", "chat "}) {
      const Finished run = RunProgram(command + Model() + " --threads " + count);
      EXPECT_EQ(run.exit_code, 2) << count << run.output;
      EXPECT_THAT(run.output, HasSubstr("--threads")) << count;
      EXPECT_THAT(run.output, HasSubstr("1 to 1024")) << count;
    }
  }
  const Finished none = RunProgram("ask hi -t 0 " + Model());
  EXPECT_THAT(none.output, HasSubstr("leave the option out"));
}

TEST_F(CliTest, TunesAndRemembers) {
  const std::string file = (folder_ / "cache" / "tuning.json").string();
  const std::string tuning = " --tuning " + file + " ";
  const Finished run = RunProgram("tune --budget 1 --json" + tuning + Model());
  ASSERT_EQ(run.exit_code, 0) << run.output;
  const auto tuned = nlohmann::json::parse(run.output.substr(0, run.output.rfind('}') + 1));
  ASSERT_EQ(tuned["stages"].size(), 3u);
  EXPECT_EQ(tuned["file"], file);
  const std::string ask = "ask hi --json -n 2 " + Model();
  const auto used = nlohmann::json::parse(RunProgram(ask + tuning).output);
  const auto& settings = used["model"]["thread_settings"];
  EXPECT_THAT(settings["source"].get<std::string>(), HasSubstr(file));
  for (const auto& stage : tuned["stages"]) {
    const auto& chosen = stage["candidates"][stage["chosen"].get<size_t>()];
    EXPECT_EQ(settings[stage["stage"].get<std::string>()]["threads"], chosen["threads"]);
  }
  EXPECT_THAT(RunProgram("ask hi --stats -n 2 " + Model() + tuning).output, HasSubstr("tuned, "));
  // What is asked for wins, and the answer is the same whatever the threads.
  const auto asked = nlohmann::json::parse(RunProgram(ask + tuning + "-t 3,2,1").output);
  EXPECT_EQ(asked["model"]["thread_settings"]["source"], "asked for");
  EXPECT_EQ(asked["model"]["thread_settings"]["encode"]["threads"], 3);
  EXPECT_EQ(asked["model"]["thread_settings"]["decode"]["threads"], 1);
  EXPECT_EQ(asked["ids"], used["ids"]);
  const auto off = nlohmann::json::parse(RunProgram(ask + " --tuning off").output);
  EXPECT_EQ(off["model"]["thread_settings"]["source"], "default");
}

TEST_F(CliTest, TuningThatCannotBe) {
  const std::string broken = Write("tuning.json", "{\"minicpmv_tuning\": 1, \"entries\": 7}");
  const Finished ask = RunProgram("ask hi -n 2 --tuning " + broken + " " + Model());
  EXPECT_EQ(ask.exit_code, 0) << ask.output;
  EXPECT_THAT(ask.output, HasSubstr("tuning is ignored"));
  EXPECT_THAT(ask.output, HasSubstr(broken));
  // Tuning replaces it; a place that takes no file is an error, a dry run needs none.
  EXPECT_EQ(RunProgram("tune --budget 0.2 --tuning " + broken + " " + Model()).exit_code, 0);
  EXPECT_THAT(RunProgram("ask hi -n 2 --tuning " + broken + " " + Model()).output,
              Not(HasSubstr("ignored")));
  const Finished closed =
      RunProgram("tune --budget 0.2 --tuning /proc/nowhere/tuning.json " + Model());
  EXPECT_EQ(closed.exit_code, 1) << closed.output;
  EXPECT_THAT(closed.output, HasSubstr("/proc/nowhere"));
  EXPECT_EQ(RunProgram("tune --budget 0.2 --dry-run --tuning off " + Model()).exit_code, 0);
  EXPECT_EQ(RunProgram("tune --budget 0.2 --tuning off " + Model()).exit_code, 3);
  EXPECT_EQ(RunProgram("tune --budget 0 " + Model()).exit_code, 2);
  for (const char* threads : {"1,2", "1,2,0", "1,2,3,4", "1,,2", "1,2,3,"}) {
    EXPECT_EQ(RunProgram("ask hi " + Model() + " -t " + threads).exit_code, 2) << threads;
  }
}

TEST_F(CliTest, PlansWithoutLoading) {
  const Finished text = RunProgram("plan --ctx 1024 " + Picture() + " " + Model());
  EXPECT_EQ(text.exit_code, 0) << text.output;
  for (const char* part : {"prefill", "KV cache", "peak", "40x30: 1 view", "1024 positions"}) {
    EXPECT_THAT(text.output, HasSubstr(part));
  }
  const Finished run = RunProgram("plan --json " + Model());
  const auto json = nlohmann::json::parse(run.output);
  EXPECT_EQ(json["phases"].size(), 4u);
  EXPECT_EQ(json["pictures"][0]["views"], 10);
  EXPECT_EQ(json["fits"], true);
  EXPECT_GT(json["whole_context_peak_bytes"], json["peak_bytes"]);
  EXPECT_EQ(RunProgram("plan nowhere.png " + Model()).exit_code, 3);
  EXPECT_EQ(RunProgram("plan --model /no/such/model.gguf").exit_code, 3);
}

// The program's peak is what its plan says, above by no more than the allocator's habits.
TEST_F(CliTest, TheRunKeepsToItsPlan) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer takes memory of its own";
  const std::string picture = Data("images/img_900x300.png");
  for (const std::string& model : {std::string(), Model(), Model() + " --no-mmap"}) {
    const std::string options = " -n 16 --json --threads 2 --ctx 2048 " + model;
    const Finished plan = RunProgram("plan " + picture + options);
    const Finished run = RunProgram("ask " + picture + " 'What is it?'" + options);
    if (model.empty() && run.exit_code != 0) continue;  // built without a model
    ASSERT_EQ(run.exit_code, 0) << run.output;
    const auto planned = nlohmann::json::parse(plan.output)["peak_bytes"].get<double>();
    const double measured =
        nlohmann::json::parse(run.output)["stats"]["peak_resident_bytes"].get<double>();
    EXPECT_LE(measured, planned * 1.08) << model;
    EXPECT_GE(measured, planned * 0.6) << model;
  }
}

TEST_F(CliTest, MemoryLimits) {
  const Finished small = RunProgram("ask hi --memory-limit 1M " + Model());
  EXPECT_EQ(small.exit_code, 4);
  EXPECT_THAT(small.output, HasSubstr("the memory limit is"));
  EXPECT_THAT(small.output, HasSubstr("saves"));
  const Finished plan = RunProgram("plan --memory-limit 1M " + Model());
  EXPECT_EQ(plan.exit_code, 4);
  EXPECT_THAT(plan.output, HasSubstr("what to change"));
  for (const char* size : {"0", "-1G", "much", "4X", "''", "inf", "99999999999999999999"}) {
    const Finished run = RunProgram(std::string("ask hi --memory-limit ") + size + " " + Model());
    EXPECT_EQ(run.exit_code, 2) << size;
    EXPECT_THAT(run.output, HasSubstr("--memory-limit")) << size;
  }
  EXPECT_EQ(RunProgram("ask hi -n 1 --memory-limit 2G " + Model()).exit_code, 0);
}

TEST_F(CliTest, WithinALimitTheContextShrinksAndTheRunKeepsToIt) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer takes memory of its own";
  const auto shorter =
      nlohmann::json::parse(RunProgram("plan --json --ctx 1536 " + Model()).output);
  // Buffers are counted in pages of 2 MB: a smaller batch, which is tried first, may save one.
  constexpr int64_t kPageOfBuffers = 2 << 20;
  const auto limit = shorter["whole_context_peak_bytes"].get<int64_t>() - kPageOfBuffers;
  // A question that takes most of what is left of the context.
  const Finished run = RunProgram(
      "ask " + Picture() + " - -n 4 --json --memory-limit " + std::to_string(limit) + " " + Model(),
      std::string(1600, 'x'));
  ASSERT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("because of the limit"));
  const auto json = nlohmann::json::parse(run.output.substr(run.output.find('{')));
  EXPECT_LT(json["stats"]["context_length"], 4096);
  EXPECT_GT(json["stats"]["context_used"], 1000);
  EXPECT_LE(json["stats"]["peak_resident_bytes"].get<int64_t>(), limit);
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
