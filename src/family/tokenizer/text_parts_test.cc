// The parts that text passes through on its way: UTF-8, the byte alphabet, normal form C, the
// tries, the tables and the pre-tokenizer.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pcre2.h>

#include "base/random.h"
#include "family/tokenizer/byte_alphabet.h"
#include "family/tokenizer/byte_trie.h"
#include "family/tokenizer/merge_table.h"
#include "family/tokenizer/nfc.h"
#include "family/tokenizer/pre_tokenizer.h"
#include "family/tokenizer/utf8.h"
#include "family/tokenizer/vocabulary.h"

namespace mcv {
namespace {

using ::testing::ElementsAre;

TEST(Utf8Test, MalformedPiecesAreReplacedOneByOne) {
  const std::string r(kReplacementCharacter);
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"a\xC3\xA9\xE2\x96\x81\xF0\x9F\xA6\x8A", "a\xC3\xA9\xE2\x96\x81\xF0\x9F\xA6\x8A"},
      {"\x80z", r + "z"},                   // a continuation byte alone
      {"\xC0\xAF", r + r},                  // overlong
      {"\xE0\x80\xAF", r + r + r},          // overlong, three bytes
      {"\xED\xA0\x80", r + r + r},          // a surrogate
      {"\xF4\x90\x80\x80", r + r + r + r},  // beyond U+10FFFF
      {"\xF5", r},                          // no such lead byte
      {"\xE2\x96z", r + "z"},               // one piece of two bytes
      {"\xF0\x9F\xA6", r},                  // cut off
      {"a\xF0\x9F\xA6\xE2\x96\x81", "a" + r + "\xE2\x96\x81"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(ReplaceMalformedUtf8(text), expected);
    EXPECT_EQ(IsValidUtf8(text), text == expected);
  }
}

TEST(Utf8Test, EveryCodePointComesBack) {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 251) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    if (c < 0x80) {
      text = {static_cast<char>(c)};
    } else if (c < 0x800) {
      text = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
    } else if (c < 0x10000) {
      text = {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
              static_cast<char>(0x80 | (c & 63))};
    } else {
      text = {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
              static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
    }
    EXPECT_EQ(ScanUtf8(text).length, text.size());
    EXPECT_EQ(CodePointOf(text), c);
  }
}

TEST(ByteAlphabetTest, EveryByteComesBack) {
  std::string spelled, all, bytes;
  for (int byte = 0; byte < 256; ++byte) {
    spelled += ByteAlphabetCharacter(static_cast<uint8_t>(byte));
    all += static_cast<char>(byte);
  }
  ASSERT_TRUE(FromByteAlphabet(spelled, &bytes));
  EXPECT_EQ(bytes, all);
  EXPECT_EQ(ByteAlphabetCharacter(' '), "\xC4\xA0");   // U+0120
  EXPECT_EQ(ByteAlphabetCharacter('\n'), "\xC4\x8A");  // U+010A
  EXPECT_EQ(ByteAlphabetCharacter(0xAD), "\xC5\x83");  // U+0143, the last one
}

TEST(ByteAlphabetTest, OtherCharactersAreNotOfTheAlphabet) {
  std::string bytes;
  for (const char* text : {"a b", "\n", "\xC5\x84", "\xE4\xB8\xAD", "\xC4", "\xC2\xA0"}) {
    EXPECT_FALSE(FromByteAlphabet(text, &bytes)) << text;
  }
}

TEST(NfcTest, ComposesAndOrdersMarks) {
  EXPECT_EQ(ToNfc("plain"), "plain");
  EXPECT_EQ(ToNfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(ToNfc("\xC3\xA9"), "\xC3\xA9");
  // q, dot above, dot below: the marks change places.
  EXPECT_EQ(ToNfc("q\xCC\x87\xCC\xA3"), "q\xCC\xA3\xCC\x87");
  // Hangul: three letters become one syllable.
  EXPECT_EQ(ToNfc("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), "\xED\x95\x9C");
  // Angstrom sign: a single character that is always replaced.
  EXPECT_EQ(ToNfc("\xE2\x84\xAB"), "\xC3\x85");
  // A composition that is excluded stays apart.
  EXPECT_EQ(ToNfc("\xE0\xA5\x98"), "\xE0\xA4\x95\xE0\xA4\xBC");
}

TEST(NfcTest, AMillionMarksAreNoTrouble) {
  std::string text = "a";
  for (int i = 0; i < 250'000; ++i) text += i % 2 == 0 ? "\xCC\x87" : "\xCC\xA3";
  const std::string once = ToNfc(text);
  EXPECT_EQ(ToNfc(once), once);
}

TEST(ByteTrieTest, FindsTheLongest) {
  ByteTrie trie;
  EXPECT_TRUE(trie.empty());
  EXPECT_TRUE(trie.Insert("ab", 1));
  EXPECT_TRUE(trie.Insert("abcd", 2));
  EXPECT_FALSE(trie.Insert("ab", 3));
  EXPECT_FALSE(trie.Insert("", 4));
  EXPECT_EQ(trie.Longest("abc").value, 1);
  EXPECT_EQ(trie.Longest("abcde").value, 2);
  EXPECT_EQ(trie.Longest("abcde").length, 4u);
  EXPECT_EQ(trie.Longest("a").value, -1);
  EXPECT_EQ(trie.Longest("").value, -1);
}

TEST(VocabularyTest, FindsByBytesAndReportsRepeats) {
  Vocabulary vocabulary(1000);
  for (int id = 0; id < 999; ++id) {
    vocabulary.Set(id, "token" + std::to_string(id), TokenKind::kNormal);
    EXPECT_EQ(vocabulary.Index(id), -1);
  }
  vocabulary.Set(999, "token7", TokenKind::kNormal);
  EXPECT_EQ(vocabulary.Index(999), 7);
  for (int id = 0; id < 999; ++id) {
    EXPECT_EQ(vocabulary.Find("token" + std::to_string(id)), id);
  }
  EXPECT_EQ(vocabulary.Find("token"), -1);
  EXPECT_EQ(vocabulary.Find(""), -1);
}

TEST(MergeTableTest, KeepsTheFirstOfAPair) {
  MergeTable table(500);
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE(table.Insert(i, i + 1, {static_cast<uint32_t>(i), 2 * i}));
  }
  EXPECT_FALSE(table.Insert(3, 4, {0, 0}));
  for (int i = 0; i < 500; ++i) EXPECT_EQ(table.Find(i, i + 1)->result, 2 * i);
  EXPECT_EQ(table.Find(1, 0), nullptr);
  EXPECT_EQ(table.size(), 500u);
}

std::vector<std::string> Pieces(const PreTokenizer& splitter, std::string_view text) {
  std::vector<size_t> ends;
  splitter.Split(text, &ends);
  std::vector<std::string> pieces;
  size_t begin = 0;
  for (const size_t end : ends) {
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
  return pieces;
}

TEST(PreTokenizerTest, SplitsAsPublished) {
  const auto llama = PreTokenizer::Create(SplitRule::kLlama3);
  const auto qwen = PreTokenizer::Create(SplitRule::kQwen2);
  ASSERT_TRUE(llama.ok() && qwen.ok());
  EXPECT_THAT(Pieces(*llama, "I'll pay  12345 $!!\n\n x"),
              ElementsAre("I", "'ll", " pay", " ", " ", "123", "45", " $!!\n\n", " x"));
  EXPECT_THAT(Pieces(*qwen, " 123"), ElementsAre(" ", "1", "2", "3"));
  EXPECT_THAT(Pieces(*llama, "a \n \n  b \t"), ElementsAre("a", " \n \n", " ", " b", " \t"));
  EXPECT_THAT(Pieces(*llama, ""), ElementsAre());
  EXPECT_THAT(Pieces(*llama, "IT'S"), ElementsAre("IT", "'S"));
}

// The expression that is run against the published one, on texts made of what its classes are made
// of (without U+180E, where PCRE2's \s differs from the reference's).
TEST(PreTokenizerTest, EqualsThePublishedExpression) {
  static const char* const kParts[] = {" ",
                                       "  ",
                                       "\t",
                                       "\n",
                                       "\r",
                                       "\r\n",
                                       "'",
                                       "s",
                                       "S",
                                       "ll",
                                       "a",
                                       "Z",
                                       "1",
                                       "\xC2\xB2",
                                       "\xC3\xA9",
                                       "\xCC\x81",
                                       "!",
                                       "--",
                                       "\"",
                                       "\xC2\xA0",
                                       "\xC2\x85",
                                       "\xE3\x80\x80",
                                       "\xE4\xB8\xAD",
                                       "\xF0\x9F\xA6\x8A",
                                       "\xC5\xBF",
                                       "_",
                                       "\x1C",
                                       "\xE2\x80\xA8"};
  for (const SplitRule rule : {SplitRule::kLlama3, SplitRule::kQwen2}) {
    const auto splitter = PreTokenizer::Create(rule);
    ASSERT_TRUE(splitter.ok());
    const std::string_view pattern = PublishedPattern(rule);
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code_8* code =
        pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(pattern.data()), pattern.size(),
                        PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr);
    ASSERT_NE(code, nullptr);
    pcre2_match_data_8* match = pcre2_match_data_create_8(1, nullptr);
    RandomStream random(7);
    for (int round = 0; round < 20'000; ++round) {
      std::string text;
      const uint32_t length = 1 + random.Below(12);
      for (uint32_t i = 0; i < length; ++i) text += kParts[random.Below(std::size(kParts))];
      std::vector<size_t> expected;
      for (size_t begin = 0; begin < text.size();) {
        const int found = pcre2_match_8(code, reinterpret_cast<PCRE2_SPTR8>(text.data()),
                                        text.size(), begin, 0, match, nullptr);
        ASSERT_GT(found, 0);
        begin = pcre2_get_ovector_pointer_8(match)[1];
        expected.push_back(begin);
      }
      std::vector<size_t> ends;
      splitter->Split(text, &ends);
      ASSERT_EQ(ends, expected) << "'" << text << "'";
    }
    pcre2_match_data_free_8(match);
    pcre2_code_free_8(code);
  }
}

}  // namespace
}  // namespace mcv
