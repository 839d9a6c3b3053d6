// minicpmv chat as a person has it: at a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/running_program.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ChatTerminalTest : public ::testing::Test {
 protected:
  ChatTerminalTest() {
    for (const char* name : {"pic.png", "my pic.png", "it's.png", "one.jpg"}) {
      fs::copy_file(MCV_TESTDATA "/goldens/images/img_40x30.png", folder_ / name);
    }
  }

  std::string Command(const std::string& options = "") {
    return MCV_PROGRAM " chat -t 1 -n 2 --model " MCV_TESTDATA
                       "/goldens/models/v25_tiny/gguf/llm-f16.gguf " +
           options;
  }
  RunningProgram Start(const std::string& command, RunningProgram::Environment more = {}) {
    more.emplace_back("HOME", folder_.string());
    more.emplace_back("TERM", "xterm");
    return RunningProgram::AtTerminal("cd '" + folder_.string() + "' && exec " + command, more);
  }
  RunningProgram Start() { return Start(Command(), {{"LANG", "C.UTF-8"}}); }

  // What was asked, as the conversation has it.
  std::vector<std::string> QuestionsOf(RunningProgram* chat) {
    const std::string file = (folder_ / "talk.json").string();
    chat->Type("/save! talk.json\r");
    EXPECT_TRUE(chat->WaitForPrompt()) << chat->output();
    std::vector<std::string> questions;
    const auto json = nlohmann::json::parse(std::ifstream(file), nullptr, false);
    if (json.is_discarded()) return questions;
    for (const auto& turn : json["turns"]) {
      if (turn["role"] == "user") questions.push_back(turn["text"]);
    }
    return questions;
  }
  // The same after one line was typed at a new conversation.
  std::vector<std::string> QuestionsAfter(const std::string& typed) {
    RunningProgram chat = Start();
    EXPECT_TRUE(chat.WaitForPrompt()) << chat.output();
    chat.Type(typed);
    EXPECT_TRUE(chat.WaitForPrompt()) << chat.output();
    return QuestionsOf(&chat);
  }
  // What a line makes the program say.
  std::string OutputAfter(const std::string& typed) {
    RunningProgram chat = Start();
    EXPECT_TRUE(chat.WaitForPrompt()) << chat.output();
    chat.Type(typed);
    EXPECT_TRUE(chat.WaitForPrompt()) << chat.output();
    return chat.output();
  }
  TestFolder folder_{"chat_terminal_test"};
};

TEST_F(ChatTerminalTest, QuestionsArriveWholeWhateverTheLocaleIs) {
  const std::string question = "Où est le café 图片?";
  for (const RunningProgram::Environment& locale :
       std::vector<RunningProgram::Environment>{{},
                                                {{"LANG", "C"}},
                                                {{"LC_ALL", "POSIX"}},
                                                {{"LANG", "xx_XX.UTF-8"}},
                                                {{"LANG", "C.UTF-8"}}}) {
    RunningProgram chat = Start(Command(), locale);
    ASSERT_TRUE(chat.WaitForPrompt()) << chat.output();
    chat.Type(question + "\r");
    ASSERT_TRUE(chat.WaitForPrompt()) << chat.output();
    EXPECT_THAT(QuestionsOf(&chat), ElementsAre(question)) << chat.output();
  }
}

TEST_F(ChatTerminalTest, ATerminalThatKnowsNothingStillTakesLines) {
  RunningProgram dumb = Start("env TERM=dumb " + Command());
  ASSERT_TRUE(dumb.WaitFor("> "));
  dumb.Type("Où?\n");
  ASSERT_TRUE(dumb.WaitFor("> "));
  dumb.Type("/save dumb.json\n/quit\n");
  EXPECT_EQ(dumb.Wait(), 0);
  const auto json = nlohmann::json::parse(std::ifstream(folder_ / "dumb.json"));
  EXPECT_EQ(json["turns"][0]["text"], "Où?");
}

TEST_F(ChatTerminalTest, FileNamesBeyondAsciiInTheCLocale) {
  fs::copy_file(folder_ / "pic.png", folder_ / "café 图.png");
  RunningProgram chat = Start(Command(), {{"LANG", "C"}});
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("/image caf\t\r");
  EXPECT_TRUE(chat.WaitFor("picture 1: café 图.png")) << chat.output();
}

TEST_F(ChatTerminalTest, TabCompletesNames) {
  EXPECT_THAT(OutputAfter("/image pi\t\r"), HasSubstr("picture 1: pic.png"));
  EXPECT_THAT(OutputAfter("/im\t my\t\r"), HasSubstr("picture 1: my pic.png"));
  EXPECT_THAT(OutputAfter("/image 'my\t\r"), HasSubstr("picture 1: my pic.png"));
  EXPECT_THAT(OutputAfter("/image ./o\t pi\t\r"), HasSubstr("picture 1: pic.png"));
  EXPECT_THAT(OutputAfter("/image ~/pi\t\r"), HasSubstr("pic.png, 40x30"));
}

TEST_F(ChatTerminalTest, NamesAsTerminalsDropThem) {
  const std::string folder = folder_.string();
  for (const std::string& typed :
       {std::string("'my pic.png'"), std::string("\"my pic.png\""), std::string("my\\ pic.png"),
        std::string("my pic.png"), std::string("'it'\\''s.png'"), std::string("it\\'s.png"),
        "'" + folder + "/my pic.png' ", "file://" + folder + "/my%20pic.png",
        std::string("~/my\\ pic.png"), std::string("  pic.png  ")}) {
    EXPECT_THAT(OutputAfter("/image " + typed + "\r"), HasSubstr("picture 1: ")) << typed;
  }
  const std::string several = OutputAfter("/image pic.png 'my pic.png' one.jpg\r");
  EXPECT_THAT(several, HasSubstr("picture 1: one.jpg"));  // equal pixels are one picture
  EXPECT_THAT(several, HasSubstr("picture 1: my pic.png"));
}

TEST_F(ChatTerminalTest, ALineMayBeginWithAPicture) {
  const std::string path = (folder_ / "pic.png").string();
  EXPECT_THAT(QuestionsAfter(path + " What is it?\r"), ElementsAre("What is it?"));
  EXPECT_THAT(QuestionsAfter("'" + path + "' What is it?\r"), ElementsAre("What is it?"));
  EXPECT_THAT(OutputAfter(path + "\r"), HasSubstr("picture 1: "));
  EXPECT_THAT(OutputAfter("/no/such.png What is it?\r"), HasSubstr("no such file"));
  EXPECT_THAT(OutputAfter("/imag pic.png\r"), HasSubstr("did you mean /image?"));
  EXPECT_THAT(QuestionsAfter("What is in ./pic.png?\r"), ElementsAre("What is in pic.png?"));
}

TEST_F(ChatTerminalTest, SeveralLinesAreOneQuestion) {
  EXPECT_THAT(QuestionsAfter("\033[200~one\rtwo\r\rthree\033[201~\r"),
              ElementsAre("one\ntwo\n\nthree"));
  EXPECT_THAT(QuestionsAfter("\033[200~one\r\ntwo\033[201~ and more\r"),
              ElementsAre("one\ntwo and more"));
  EXPECT_THAT(QuestionsAfter("one\033\rtwo\r"), ElementsAre("one\ntwo"));
  RunningProgram chat = Start();
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("\"\"\"/first\r");
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("second\"\"\"\r");
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("third \\\r");
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("line\r");
  ASSERT_TRUE(chat.WaitForPrompt());
  EXPECT_THAT(QuestionsOf(&chat), ElementsAre("/first\nsecond", "third \nline"));
}

TEST_F(ChatTerminalTest, TabsAreKept) {
  EXPECT_THAT(QuestionsAfter("a\tb\r"), ElementsAre("a\tb"));
  EXPECT_THAT(QuestionsAfter("\033[200~a\tb\033[201~\r"), ElementsAre("a\tb"));
}

TEST_F(ChatTerminalTest, ControlCClearsTheLineAndTwiceLeaves) {
  RunningProgram chat = Start(Command("pic.png"), {{"LANG", "C.UTF-8"}});
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("half a line");
  ASSERT_TRUE(chat.WaitFor("line"));
  chat.Type("\x03");
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("hello\r");
  ASSERT_TRUE(chat.WaitForPrompt());
  EXPECT_THAT(QuestionsOf(&chat), ElementsAre("hello"));
  chat.Type("\x03");
  ASSERT_TRUE(chat.WaitFor("again leaves"));
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("\x03");
  EXPECT_TRUE(chat.WaitFor("come back: minicpmv chat pic.png"));
  EXPECT_EQ(chat.Wait(), 0);
}

TEST_F(ChatTerminalTest, SigtermEndsInOrder) {
  RunningProgram chat = Start();
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Send(SIGTERM);
  EXPECT_EQ(chat.Wait(), 130);
  EXPECT_THAT(chat.output(), HasSubstr("\033[?2004l"));  // the terminal as it was
}

TEST_F(ChatTerminalTest, WithoutStandardOutputThePromptIsOnStandardError) {
  const std::string file = (folder_ / "answers.txt").string();
  RunningProgram chat = Start(Command("> '" + file + "'"), {{"LANG", "C.UTF-8"}});
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("/image pi\t\r");
  ASSERT_TRUE(chat.WaitFor("picture 1: "));
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("/stats\r");
  ASSERT_TRUE(chat.WaitFor("peak memory"));
  chat.Type("/quit\r");
  EXPECT_EQ(chat.Wait(), 0);
  EXPECT_EQ(fs::file_size(file), 0u);  // nothing was asked, so nothing is there
}

TEST_F(ChatTerminalTest, SavingAsksBeforeAFileGoes) {
  std::ofstream(folder_ / "letter.md") << "Dear reader";
  RunningProgram chat = Start();
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("/save letter.md\r");
  ASSERT_TRUE(chat.WaitFor("Replace it?"));
  chat.Type("n\r");
  ASSERT_TRUE(chat.WaitFor("not saved"));
  EXPECT_EQ(fs::file_size(folder_ / "letter.md"), 11u);
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("/save letter.md\r");
  ASSERT_TRUE(chat.WaitFor("Replace it?"));
  chat.Type("y\r");
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("/save letter.md\r");  // our own now
  chat.Type("/quit\r");
  EXPECT_EQ(chat.Wait(), 0);
  EXPECT_GT(fs::file_size(folder_ / "letter.md"), 11u);
}

TEST_F(ChatTerminalTest, ProgressKeepsToTheWidthOfTheTerminal) {
  const std::string name = std::string(120, 'a') + ".png";
  fs::copy_file(folder_ / "pic.png", folder_ / name);
  RunningProgram chat = Start();
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("/image a\t\r");
  ASSERT_TRUE(chat.WaitFor("picture 1: "));
  const std::string& output = chat.output();
  constexpr size_t kColumns = 80;
  size_t lines = 0;
  for (size_t at = 0; (at = output.find("\033[Klooking at", at)) != std::string::npos; ++lines) {
    const size_t begin = at + 3;
    at = output.find('\r', begin);
    EXPECT_LT(at - begin, kColumns);
  }
  EXPECT_GT(lines, 0u);
}

TEST_F(ChatTerminalTest, NamesCannotSteerTheTerminal) {
  fs::copy_file(folder_ / "pic.png", folder_ / "evil\033]0;x\007.png");
  RunningProgram chat = Start(Command("evil*"), {{"LANG", "C.UTF-8"}});
  ASSERT_TRUE(chat.WaitFor("picture 1: evil\\x1b]0;x\\x07.png")) << chat.output();
  EXPECT_THAT(chat.output(), Not(HasSubstr("\033]0;")));
}

// Random weights at a high temperature say anything, control characters too.
TEST_F(ChatTerminalTest, AnswersCannotSteerTheTerminal) {
  const std::string ask = MCV_PROGRAM
      " ask hi -t 1 -n 400 --temperature 100 --seed 1 --no-progress --model " MCV_TESTDATA
      "/goldens/models/v25_tiny/gguf/llm-f16.gguf";
  const auto control = [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7f; };
  RunningProgram piped = RunningProgram::BetweenPipes("exec " + ask, {});
  EXPECT_EQ(piped.Wait(), 0);
  ASSERT_TRUE(std::ranges::any_of(piped.output(), control))
      << "the answer has none: of no use here";
  RunningProgram shown = Start(ask);
  EXPECT_EQ(shown.Wait(), 0);
  const auto steers = [&](char c) {
    return control(static_cast<unsigned char>(c)) && c != '\r' && c != '\t';
  };
  EXPECT_TRUE(std::ranges::none_of(shown.output(), steers)) << shown.output();
}

TEST_F(ChatTerminalTest, CommandsThatPeopleKnowFromElsewhere) {
  RunningProgram chat = Start();
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("/system Be brief.\r");
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("Why?\r");
  ASSERT_TRUE(chat.WaitFor("cut off after 2 tokens"));
  ASSERT_TRUE(chat.WaitForPrompt());
  chat.Type("/regen\r");
  ASSERT_TRUE(chat.WaitFor("--seed "));
  ASSERT_TRUE(chat.WaitForPrompt());
  EXPECT_THAT(QuestionsOf(&chat), ElementsAre("Why?"));
  chat.Type("/system Be long.\r");
  ASSERT_TRUE(chat.WaitFor("before the first question"));
  chat.Type("/clear\r");
  ASSERT_TRUE(chat.WaitFor("cleared"));
  chat.Type("/bye\r");
  EXPECT_EQ(chat.Wait(), 0);
}

}  // namespace
}  // namespace mcv
