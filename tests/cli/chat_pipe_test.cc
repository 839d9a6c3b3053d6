// minicpmv chat as a script has it: between pipes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/run_program.h"
#include "tests/support/running_program.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class ChatPipeTest : public ::testing::Test {
 protected:
  ChatPipeTest() {
    fs::copy_file(MCV_TESTDATA "/goldens/images/img_40x30.png", folder_ / "pic.png");
  }

  std::string Command() {
    return "chat -t 1 -n 2 --model " MCV_TESTDATA "/goldens/models/v25_tiny/gguf/llm-f16.gguf";
  }
  // What a script makes of it, with "P" for the picture and "J" for a file to save to.
  Finished Run(std::string script) {
    for (const auto& [letter, path] : {std::pair{"P", Path("pic.png")}, {"J", Path("talk.json")}}) {
      for (size_t at; (at = script.find(letter)) != std::string::npos;) {
        script.replace(at, 1, path);
      }
    }
    std::ofstream(folder_ / "script", std::ios::binary) << script;
    return RunShell(MCV_PROGRAM " " + Command() + " < '" + Path("script") + "' 2>&1");
  }
  std::string Path(const std::string& name) { return (folder_ / name).string(); }
  nlohmann::json Saved() { return nlohmann::json::parse(std::ifstream(folder_ / "talk.json")); }
  mode_t ModeOf(const std::string& path) {
    struct stat info {};
    stat(path.c_str(), &info);
    return info.st_mode & 0777;
  }
  TestFolder folder_{"chat_pipe_test"};
};

TEST_F(ChatPipeTest, LinesOfOtherSystemsAreReadAsMeant) {
  for (const char* script :
       {"/image P\r\nWhat?\r\n/save! J\r\n/quit\r\n", "\xef\xbb\xbf/image P\nWhat?\n/save! J\n",
        "  /image   P  \n\t What? \n\n   \n /save! J", "\xef\xbb\xbfWhat?\r\n/save! J\r\n"}) {
    const Finished run = Run(script);
    ASSERT_EQ(run.exit_code, 0) << script << run.output;
    const auto turn = Saved()["turns"][0];
    EXPECT_EQ(turn["text"], "What?") << script;
    EXPECT_EQ(turn["pictures"].size(),
              std::string(script).find("/image") == std::string::npos ? 0u : 1u);
  }
}

TEST_F(ChatPipeTest, TheFirstFailureEndsIt) {
  for (const char* script : {"/image nowhere.png\nWhat?\n/save! J\n", "/nonsense\n/save! J\n",
                             "/no/such.png What?\n/save! J\n", "/save\n/save! J\n"}) {
    const Finished run = Run(script);
    EXPECT_EQ(run.exit_code, 1) << run.output;
    EXPECT_THAT(run.output, HasSubstr("minicpmv: ")) << script;
    EXPECT_FALSE(fs::exists(folder_ / "talk.json")) << script;
  }
  EXPECT_EQ(RunShell(MCV_PROGRAM " " + Command() + " nowhere.png < /dev/null 2>&1").exit_code, 1);
}

TEST_F(ChatPipeTest, AnswersAloneAreOnStandardOutput) {
  std::ofstream(folder_ / "script") << "/help\n/image " << Path("pic.png") << "\n/stats\n/clear\n";
  const Finished run =
      RunShell(MCV_PROGRAM " " + Command() + " < '" + Path("script") + "' 2>/dev/null");
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.output, "");
}

TEST_F(ChatPipeTest, ClearingSaysThatThePicturesAreGone) {
  EXPECT_THAT(Run("/image P\nWhat?\n/clear\n").output, HasSubstr("/image PATH shows one again"));
  EXPECT_THAT(Run("What?\n/clear\n").output, Not(HasSubstr("/image")));
}

TEST_F(ChatPipeTest, PicturesAreNotWrittenOver) {
  const auto before = fs::file_size(folder_ / "pic.png");
  const auto refused = [&](const std::string& script) {
    const Finished run = Run(script);
    EXPECT_EQ(run.exit_code, 1) << script;
    EXPECT_EQ(fs::file_size(folder_ / "pic.png"), before) << script;
    return run.output;
  };
  EXPECT_THAT(refused("Hi\n/save P\n"), HasSubstr("is a picture"));
  refused("Hi\n/save! P\n");
  fs::create_symlink("pic.png", folder_ / "link.md");
  refused("Hi\n/save! " + Path("link.md") + "\n");
  fs::copy_file(folder_ / "pic.png", folder_ / "named otherwise");
  EXPECT_EQ(Run("Hi\n/save! " + Path("named otherwise") + "\n").exit_code, 1);
}

TEST_F(ChatPipeTest, OtherFilesAreReplacedOnlyWhenAsked) {
  std::ofstream(folder_ / "talk.json") << "mine";
  EXPECT_THAT(Run("Hi\n/save J\n").output, HasSubstr("/save!"));
  EXPECT_EQ(fs::file_size(folder_ / "talk.json"), 4u);
  EXPECT_EQ(Run("Hi\n/save! J\n/save J\n").exit_code, 0);
  EXPECT_EQ(Saved()["turns"].size(), 2u);
}

TEST_F(ChatPipeTest, SavedFilesAreTheirOwnersAndLinksStay) {
  EXPECT_EQ(Run("Hi\n/save J\n").exit_code, 0);
  EXPECT_EQ(ModeOf(Path("talk.json")), 0600u);
  fs::create_directory(folder_ / "far");
  fs::create_symlink("far/away.md", folder_ / "near.md");  // to nothing yet
  EXPECT_EQ(Run("Hi\n/save " + Path("near.md") + "\n").exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(folder_ / "near.md"));
  EXPECT_TRUE(fs::is_regular_file(folder_ / "far/away.md"));
  EXPECT_EQ(Run("Hi\n/save! " + Path("near.md") + "\n").exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(folder_ / "near.md"));
}

TEST_F(ChatPipeTest, OneSignalEndsIt) {
  for (const int signal : {SIGINT, SIGTERM}) {
    RunningProgram chat =
        RunningProgram::BetweenPipes("exec " MCV_PROGRAM " " + Command() + " --stats", {});
    chat.Type("Hi\n");
    ASSERT_TRUE(chat.WaitFor("peak memory")) << chat.output();
    chat.Send(signal);  // the pipe stays open
    EXPECT_EQ(chat.Wait(), 130) << chat.output();
  }
}

TEST_F(ChatPipeTest, SeedsAreToldOnceAndGiveTheAnswersAgain) {
  const auto talk = [&](const std::string& options) {
    return RunShell("printf 'Hi\\nWhy?\\n' | " MCV_PROGRAM " " + Command() + " --sample " +
                    options + " 2>&1")
        .output;
  };
  const std::string first = talk("");
  const size_t at = first.find("--seed ");
  ASSERT_NE(at, std::string::npos) << first;
  EXPECT_EQ(first.find("--seed ", at + 1), std::string::npos);
  const std::string seed = first.substr(at + 7, first.find(',', at) - at - 7);
  std::string again = talk("--seed " + seed);
  const size_t note = first.find("note: sampled");
  EXPECT_EQ(first.substr(0, note) + first.substr(first.find('\n', note) + 1), again);
}

}  // namespace
}  // namespace mcv
