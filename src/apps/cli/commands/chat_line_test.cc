#include "apps/cli/commands/chat_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace mcv::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

bool IsThere(const std::string& path) {
  static const std::set<std::string> files = {"/p/a.png", "/p/my pic.png", "a.png",    "b.jpg",
                                              "./a.png",  "/etc/hosts",    "no ending"};
  return files.contains(path);
}

ChatLine Read(std::string_view line) {
  auto read = ReadChatLine(line, IsThere);
  EXPECT_TRUE(read.ok()) << line << ": " << read.status().ToString();
  return read.ok() ? *read : ChatLine();
}

Status Refused(std::string_view line) { return ReadChatLine(line, IsThere).status(); }

TEST(ChatLine, Commands) {
  EXPECT_EQ(Read("/image a.png").command, "/image");
  EXPECT_EQ(Read("  /image   a.png \r").argument, "a.png");
  EXPECT_EQ(Read("/bye").command, "/bye");
  EXPECT_EQ(Read("/?").command, "/?");
  EXPECT_EQ(Read("/system").argument, "");
  EXPECT_THAT(Refused("/image").message(), HasSubstr("PATH"));
  EXPECT_THAT(Refused("/clear all").message(), HasSubstr("nothing behind it"));
  EXPECT_THAT(Refused("/imgae a.png").message(), HasSubstr("did you mean /image?"));
  EXPECT_THAT(Refused("/what").message(), HasSubstr("/help"));
}

TEST(ChatLine, PicturesBeforeTheQuestion) {
  for (const char* line :
       {"/p/a.png What?", "'/p/a.png' What?", "/p/a.png   What?  ", "file:///p/a.png What?"}) {
    EXPECT_THAT(Read(line).pictures, ElementsAre("/p/a.png")) << line;
    EXPECT_EQ(Read(line).question, "What?") << line;
  }
  EXPECT_THAT(Read("/p/my pic.png What?").pictures, ElementsAre("/p/my pic.png"));
  EXPECT_THAT(Read("/p/my\\ pic.png").pictures, ElementsAre("/p/my pic.png"));
  EXPECT_THAT(Read("a.png b.jpg Which?").pictures, ElementsAre("a.png", "b.jpg"));
  EXPECT_THAT(Read("/etc/hosts What?").pictures, ElementsAre("/etc/hosts"));  // refused later
}

TEST(ChatLine, PicturesInTheQuestion) {
  EXPECT_THAT(Read("What is in /p/a.png?").pictures, ElementsAre("/p/a.png"));
  EXPECT_EQ(Read("What is in /p/a.png?").question, "What is in a.png?");
  EXPECT_EQ(Read("Is '/p/my pic.png' old?").question, "Is my pic.png old?");
  EXPECT_THAT(Read("Compare a.png with b.jpg").pictures, ElementsAre("a.png", "b.jpg"));
  EXPECT_THAT(Read("What is c.png?").pictures, IsEmpty());
  EXPECT_THAT(Read("Is no ending good?").pictures, IsEmpty());
}

TEST(ChatLine, APathWhereNothingIsIsTold) {
  EXPECT_EQ(Refused("/p/none.png What?").code(), StatusCode::kNotFound);
  EXPECT_EQ(Refused("./none.png What?").code(), StatusCode::kNotFound);
  EXPECT_EQ(Refused("/usr/none What?").code(), StatusCode::kNotFound);
  EXPECT_EQ(Refused("What is in ~/none.jpg?").code(), StatusCode::kNotFound);
  EXPECT_EQ(Read("./configure fails, why?").question, "./configure fails, why?");
  EXPECT_EQ(Read("one\nin /usr/none.png it says").question, "one\nin /usr/none.png it says");
}

TEST(ChatLine, PathsOfACommand) {
  EXPECT_THAT(PathsIn("a.png '/p/my pic.png'", IsThere), ElementsAre("a.png", "/p/my pic.png"));
  EXPECT_THAT(PathsIn("/p/my pic.png b.jpg", IsThere), ElementsAre("/p/my pic.png", "b.jpg"));
  EXPECT_THAT(PathsIn("none.png", IsThere), ElementsAre("none.png"));
}

TEST(ChatLine, HelpHasEveryCommand) {
  for (const char* word : {"/image", "/system", "/regen", "/clear", "/save", "/stats", "/bye",
                           "/quit", "\"\"\"", "Alt-Enter"}) {
    EXPECT_THAT(ChatHelp(), HasSubstr(word));
  }
}

}  // namespace
}  // namespace mcv::cli
