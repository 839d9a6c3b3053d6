// The cache of encoded pictures as whole processes use it: one after the other, at once, killed, on
// a disk that refuses. The answer is always the one that there would be without it.
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

std::string Data(const std::string& path) { return std::string(MCV_TESTDATA "/goldens/") + path; }

class SharedCacheTest : public ::testing::Test {
 protected:
  std::string Folder() const { return (root_ / "cache").string(); }
  std::string File() const { return Folder() + "/pictures.sqlite"; }
  std::string InFolder() const { return " --picture-cache " + Folder(); }

  // A picture of 4 views for a tiny model.
  static std::string AskArguments(const std::string& more = "") {
    return "ask " + Data("images/img_900x300.png") + " 'What is it?' --json -n 8 -m " +
           Data("models/v25_tiny/gguf/llm-f16.gguf") + more;
  }
  struct Told {
    std::vector<int> ids;
    std::string source;
    std::string notes;
  };
  static Told Ask(const std::string& more) { return Read(RunProgram(AskArguments(more))); }
  static Told Read(const Finished& run) {
    EXPECT_EQ(run.exit_code, 0) << run.output;
    // Notes go to standard error and come after the object.
    const size_t begin = run.output.find('{'), end = run.output.rfind('}');
    const auto json =
        nlohmann::json::parse(run.output.substr(begin, end - begin + 1), nullptr, false);
    if (json.is_discarded()) {
      ADD_FAILURE() << run.output;
      return {};
    }
    return {json["ids"], json["pictures"][0]["source"], json["pictures"][0]["notes"].dump()};
  }
  nlohmann::json Summary(const std::string& more = "") const {
    const Finished run = RunProgram("cache --json" + InFolder() + more);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    return nlohmann::json::parse(run.output, nullptr, false);
  }

  TestFolder root_{"shared_cache_test"};
  const Told& without_ = []() -> const Told& {
    static const Told told = Ask(" --picture-cache off");
    return told;
  }();
};

TEST_F(SharedCacheTest, TheNextProcessDoesNotEncode) {
  EXPECT_EQ(without_.source, "encoded");
  EXPECT_EQ(Ask(InFolder()).source, "encoded");
  const Told second = Ask(InFolder());
  EXPECT_EQ(second.source, "disk");
  EXPECT_EQ(second.ids, without_.ids);
  EXPECT_EQ(second.notes, "[]");
  // Another way to look at the picture is another entry.
  EXPECT_EQ(Ask(InFolder() + " --max-slices 1").source, "encoded");
  EXPECT_EQ(Ask(InFolder() + " --numerics exact").source, "encoded");
  EXPECT_EQ(Summary()["pictures"], 3);
  const Finished text =
      RunProgram("ask " + Data("images/img_900x300.png") + " Hi --stats -n 1 -m " +
                 Data("models/v25_tiny/gguf/llm-f16.gguf") + InFolder());
  EXPECT_THAT(text.output, HasSubstr("from the cache (disk)"));

  EXPECT_EQ(Summary(" --clear")["pictures"], 0);
  EXPECT_EQ(Ask(InFolder()).source, "encoded");
}

// Which build computed the rows counts, not where its file lies or when that was written.
TEST_F(SharedCacheTest, ACopyOfTheProgramTakesTheRows) {
  Ask(InFolder());
  fs::copy_file(MCV_PROGRAM, root_ / "copy");
  EXPECT_EQ(
      Read(RunShell((root_ / "copy").string() + " " + AskArguments(InFolder()) + " 2>&1")).source,
      "disk");
}

TEST_F(SharedCacheTest, WhereItLies) {
  const auto run = [&](const std::string& environment) {
    return Read(RunShell("env -u HOME -u XDG_CACHE_HOME -u MCV_CACHE_DIR " + environment +
                         " " MCV_PROGRAM " " + AskArguments() + " 2>&1"));
  };
  run("MCV_CACHE_DIR=" + (root_ / "own").string() + " HOME=" + (root_ / "home").string());
  run("XDG_CACHE_HOME=" + (root_ / "xdg").string() + " HOME=" + (root_ / "home").string());
  EXPECT_FALSE(fs::exists(root_ / "home"));
  run("HOME=" + (root_ / "home").string() + " XDG_CACHE_HOME=relative");
  EXPECT_TRUE(fs::exists(root_ / "own/pictures.sqlite"));
  EXPECT_TRUE(fs::exists(root_ / "xdg/minicpmv/pictures.sqlite"));
  EXPECT_TRUE(fs::exists(root_ / "home/.cache/minicpmv/pictures.sqlite"));
  // Nobody says where: nothing is kept, and nothing is wrong.
  EXPECT_EQ(run("").notes, "[]");
  EXPECT_EQ(run("MCV_CACHE_DIR=off HOME=" + (root_ / "other").string()).notes, "[]");
  EXPECT_FALSE(fs::exists(root_ / "other"));
  EXPECT_EQ(RunProgram("cache").exit_code, 3);
}

TEST_F(SharedCacheTest, ItsSizeIsAnOption) {
  EXPECT_EQ(Ask(InFolder() + " --picture-cache-size 1k").notes, "[]");
  EXPECT_EQ(Summary()["pictures"], 0);
  Ask(InFolder() + " --picture-cache-size 64M");
  EXPECT_EQ(Summary()["pictures"], 1);
  for (const std::string bad : {"lots", "-1", "3X"}) {
    EXPECT_EQ(RunProgram(AskArguments(" --picture-cache-size " + bad)).exit_code, 2) << bad;
  }
}

TEST_F(SharedCacheTest, AFullDiskIsToldAndTheAnswerIsRight) {
  // A limit on the length of files stands for the disk: none at all, and too little for a picture.
  for (const char* limit : {"0", "256"}) {
    SCOPED_TRACE(limit);
    fs::remove_all(Folder());
    const Finished run = RunShell("(ulimit -f " + std::string(limit) + "; exec " MCV_PROGRAM " " +
                                  AskArguments(InFolder()) + " 2>&1) | cat");
    const Told told = Read(run);
    EXPECT_EQ(told.ids, without_.ids);
    EXPECT_THAT(told.notes, HasSubstr("picture cache: " + Folder()));
    EXPECT_EQ(Ask(InFolder()).ids, without_.ids);
    EXPECT_EQ(Ask(InFolder()).source, "disk");
  }
}

TEST_F(SharedCacheTest, DamageIsNoticedDroppedAndRebuilt) {
  Ask(InFolder());
  std::string bytes;
  {
    std::ifstream file(File(), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  // A bit in the rows, the second half, all of it.
  const auto damages = {+[](std::string b) { return b[b.size() - 5000] ^= 1, b; },
                        +[](std::string b) { return b.substr(0, b.size() / 2); },
                        +[](std::string b) { return std::string(b.size(), '?'); }};
  for (const auto& damage : damages) {
    std::ofstream(File(), std::ios::binary) << damage(bytes);
    const Told told = Ask(InFolder());
    EXPECT_EQ(told.ids, without_.ids);
    EXPECT_EQ(told.source, "encoded");
    EXPECT_THAT(told.notes, HasSubstr("pictures.sqlite"));
    const Told next = Ask(InFolder());
    EXPECT_EQ(next.source, "disk");
    EXPECT_EQ(next.ids, without_.ids);
    EXPECT_EQ(next.notes, "[]");
  }
}

TEST_F(SharedCacheTest, ProcessesAtOnce) {
  std::string command;
  for (int i = 0; i < 4; ++i) {
    command += MCV_PROGRAM " " + AskArguments(InFolder()) + " >" +
               (root_ / ("out" + std::to_string(i))).string() + " 2>&1 & ";
  }
  EXPECT_EQ(RunShell(command + "wait").exit_code, 0);
  for (int i = 0; i < 4; ++i) {
    std::ifstream file(root_ / ("out" + std::to_string(i)));
    const Told told = Read({0, {std::istreambuf_iterator<char>(file), {}}});
    EXPECT_EQ(told.ids, without_.ids);
    EXPECT_EQ(told.notes, "[]");
  }
  EXPECT_EQ(Summary()["pictures"], 1);
}

// Wherever the signal falls: between two steps, in the middle of a write, or after the end.
TEST_F(SharedCacheTest, KilledProcessesLeaveItWhole) {
  if (RunShell("command -v timeout >/dev/null").exit_code != 0) GTEST_SKIP() << "no timeout here";
  for (int milliseconds = 5; milliseconds <= 75; milliseconds += 10) {
    SCOPED_TRACE(milliseconds);
    if (milliseconds % 20 == 5) fs::remove_all(Folder());
    RunShell("timeout -s KILL 0.0" + std::string(milliseconds < 10 ? "0" : "") +
             std::to_string(milliseconds) + " " MCV_PROGRAM " " +
             AskArguments(InFolder() + " --max-slices " + std::to_string(milliseconds / 8 + 1)) +
             " >/dev/null 2>&1");
    const Told told = Ask(InFolder());
    EXPECT_EQ(told.ids, without_.ids);
    EXPECT_EQ(told.notes, "[]");
  }
}

TEST_F(SharedCacheTest, OtherProgramsFilesAreNotTouched) {
  fs::create_directories(Folder());
  ASSERT_EQ(RunShell("cp " MCV_TESTDATA "/goldens/images/img_40x30.png " + File()).exit_code, 0);
  EXPECT_THAT(Ask(InFolder()).notes, HasSubstr("begun anew"));
  EXPECT_EQ(fs::file_size(File() + ".damaged"), fs::file_size(Data("images/img_40x30.png")));
  fs::remove_all(Folder());
  fs::create_directories(File());
  EXPECT_THAT(Ask(InFolder()).notes, HasSubstr("not a regular file"));
  EXPECT_EQ(RunProgram("cache" + InFolder()).exit_code, 1);
}

}  // namespace
}  // namespace mcv
