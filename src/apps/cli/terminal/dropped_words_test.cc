#include "apps/cli/terminal/dropped_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace mcv::cli {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Texts(std::string_view text) {
  std::vector<std::string> texts;
  for (const DroppedWord& word : SplitDropped(text)) texts.push_back(word.text);
  return texts;
}

TEST(DroppedWords, QuotesAndBackslashes) {
  EXPECT_THAT(Texts("'a b.png' c"), ElementsAre("a b.png", "c"));
  EXPECT_THAT(Texts("a\\ b.png c"), ElementsAre("a b.png", "c"));
  EXPECT_THAT(Texts("\"a \\\"b\\\".png\""), ElementsAre("a \"b\".png"));
  EXPECT_THAT(Texts("'it'\\''s.png'"), ElementsAre("it's.png"));
  EXPECT_THAT(Texts("/tmp/'a b'.png x"), ElementsAre("/tmp/a b.png", "x"));
  EXPECT_THAT(Texts("  \t "), ElementsAre());
}

TEST(DroppedWords, SentencesStayWhatTheyAre) {
  EXPECT_THAT(Texts("What's in Bob's hand?"), ElementsAre("What's", "in", "Bob's", "hand?"));
}

TEST(DroppedWords, AnUnfinishedQuoteIsTold) {
  const auto words = SplitDropped("a 'b c");
  ASSERT_EQ(words.size(), 2u);
  EXPECT_EQ(words[1].quote, '\'');
  EXPECT_EQ(words[1].text, "b c");
  EXPECT_EQ(words[1].begin, 2u);
}

TEST(DroppedWords, EscapedNamesComeBack) {
  for (const std::string name : {"a b.png", "it's", "back\\slash", "\"q\"", "plain", "tab\there"}) {
    EXPECT_THAT(Texts(Escaped(name, '\0')), ElementsAre(name));
    EXPECT_THAT(Texts('"' + Escaped(name, '"') + '"'), ElementsAre(name));
  }
}

TEST(DroppedWords, Paths) {
  EXPECT_EQ(DroppedPath("file:///tmp/a%20b%C3%A9.png"), "/tmp/a b\xc3\xa9.png");
  EXPECT_EQ(DroppedPath("file://host/tmp/a.png"), "/tmp/a.png");
  EXPECT_EQ(DroppedPath("100%zz.png"), "100%zz.png");
  EXPECT_EQ(DroppedPath("~/x"), std::string(std::getenv("HOME")) + "/x");
  EXPECT_TRUE(BeginsAsPath("./a"));
  EXPECT_FALSE(BeginsAsPath("a/b"));
}

}  // namespace
}  // namespace mcv::cli
