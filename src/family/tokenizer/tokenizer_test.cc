// The tokenizers' promises on the tiny models: what typed text can and can not become, text that
// comes back, streams, long and hostile input.
#include "family/tokenizer/tokenizer.h"

#include <gmock/gmock.h>

#include "base/random.h"
#include "family/tokenizer/nfc.h"
#include "family/tokenizer/test_tokenizers.h"
#include "family/tokenizer/utf8.h"

namespace mcv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TinyTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    MCV_GOLDEN_OR_SKIP(folder, std::string("models/") + GetParam() + "/hf");
    tokenizer_ = LoadFolder(folder);
    ASSERT_NE(tokenizer_, nullptr);
  }
  // What the tokenizer's own normalisation makes of a text.
  std::string Normal(const std::string& text) const {
    const std::string valid = ReplaceMalformedUtf8(text);
    return tokenizer_->kind() == TokenizerKind::kQwen2Bpe ? ToNfc(valid) : valid;
  }
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(TinyTest, EmptyTextHasNoIds) {
  EXPECT_THAT(tokenizer_->EncodeText(""), IsEmpty());
  EXPECT_THAT(tokenizer_->EncodeWithSpecials(""), IsEmpty());
  EXPECT_EQ(tokenizer_->Decode({}), "");
}

TEST_P(TinyTest, SpecialTextIsSpecialOnlyWhenAskedFor) {
  int num_controls = 0;
  for (int id = 0; id < tokenizer_->vocab_size(); ++id) {
    if (!tokenizer_->IsControl(id)) continue;
    ++num_controls;
    const std::string name = tokenizer_->TokenBytes(id);
    EXPECT_EQ(tokenizer_->SpecialId(name), id);
    EXPECT_THAT(tokenizer_->EncodeWithSpecials(name), ElementsAre(id));
    const std::vector<int32_t> typed = tokenizer_->EncodeText("x" + name + name + " y");
    for (const int32_t part : typed) EXPECT_FALSE(tokenizer_->IsControl(part)) << name;
    EXPECT_EQ(tokenizer_->Decode(typed), "x" + name + name + " y");
    EXPECT_EQ(tokenizer_->Decode(std::vector<int32_t>{id}), "");
    EXPECT_EQ(tokenizer_->Decode(std::vector<int32_t>{id}, {.show_control = true}), name);
  }
  EXPECT_GE(num_controls, 15);
  EXPECT_EQ(tokenizer_->SpecialId("What"), std::nullopt);
  EXPECT_EQ(tokenizer_->SpecialId(""), std::nullopt);
  EXPECT_EQ(tokenizer_->SpecialId("<image"), std::nullopt);
  EXPECT_EQ(tokenizer_->SpecialId("<image>x"), std::nullopt);
}

TEST_P(TinyTest, ExclamationMarksAreTypedAndPrinted) {
  EXPECT_EQ(tokenizer_->Decode(tokenizer_->EncodeText("Hello!! !")), "Hello!! !");
}

TEST_P(TinyTest, IdsOutsideTheVocabularyMeanNothing) {
  for (const int32_t id : {-1, tokenizer_->vocab_size(), 1 << 30}) {
    EXPECT_EQ(tokenizer_->TokenBytes(id), "");
    EXPECT_FALSE(tokenizer_->IsControl(id));
    EXPECT_FALSE(tokenizer_->IsStop(id));
    EXPECT_EQ(tokenizer_->Decode(std::vector<int32_t>{id}), "");
  }
}

TEST_P(TinyTest, RandomTextComesBack) {
  static const char* const kParts[] = {"the",
                                       " ",
                                       "\n",
                                       "\t",
                                       "image",
                                       "a",
                                       "!",
                                       "1",
                                       "234",
                                       "\xE4\xB8\xAD",
                                       "\xF0\x9F\xA6\x8A",
                                       "e\xCC\x81",
                                       "\xE2\x80\x8B",
                                       "<",
                                       ">",
                                       "slice",
                                       "</",
                                       "<image>",
                                       "...",
                                       "'s",
                                       "\xff",
                                       "\xE2\x96",
                                       std::string_view("\0", 1).data(),
                                       "\x7f"};
  RandomStream random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    const uint32_t length = 1 + random.Below(20);
    for (uint32_t i = 0; i < length; ++i) text += kParts[random.Below(std::size(kParts))];
    if (round % 2 == 1) {
      for (uint32_t i = 0; i < length; ++i) text += static_cast<char>(random.Below(256));
    }
    const std::vector<int32_t> ids = tokenizer_->EncodeText(text);
    // A mark for blanks in the text itself is read as a blank, as in the reference.
    if (text.find("\xE2\x96\x81") == text.npos) {
      EXPECT_EQ(tokenizer_->Decode(ids), Normal(text));
    }
    for (const int32_t id : ids) {
      ASSERT_TRUE(id >= 0 && id < tokenizer_->vocab_size());
      ASSERT_FALSE(tokenizer_->IsControl(id));
    }
  }
}

// Token by token, cut at every byte of multi-byte characters, a stream says what Decode says.
TEST_P(TinyTest, AStreamIsValidAtEveryStepAndCompleteAtTheEnd) {
  RandomStream random(5);
  for (int round = 0; round < 500; ++round) {
    std::vector<int32_t> ids = tokenizer_->EncodeText("fox \xF0\x9F\xA6\x8A \xE4\xB8\xAD.");
    for (int i = 0; i < 8; ++i) {
      ids.push_back(static_cast<int32_t>(random.Below(tokenizer_->vocab_size())));
    }
    Detokenizer stream(*tokenizer_);
    std::string text;
    for (const int32_t id : ids) {
      const std::string piece = stream.Push(id);
      EXPECT_TRUE(IsValidUtf8(piece));
      text += piece;
    }
    text += stream.Flush();
    EXPECT_EQ(text, tokenizer_->Decode(ids));
    EXPECT_EQ(stream.Flush(), "");
  }
}

// Time quadratic in the length would take many minutes here.
TEST_P(TinyTest, LongInputIsNoTrouble) {
  const size_t length = 200'000;
  std::string mixed, marks = "a";
  for (size_t i = 0; i < length; ++i) mixed += "the image "[i % 10];
  for (size_t i = 0; i < length / 2; ++i) marks += i % 3 == 0 ? "\xCC\x87" : "\xCC\xA3";
  std::string word;
  for (size_t i = 0; i < length; ++i) word += "hetheimage"[i % 10];
  for (const std::string& text :
       {std::string(length, 'a'), std::string(length, ' '), std::string(length, '\n'),
        std::string(length, '!'), std::string(length, '<'), std::string(length, '\x80'), mixed,
        word, marks}) {
    const std::vector<int32_t> ids = tokenizer_->EncodeText(text);
    EXPECT_EQ(tokenizer_->Decode(ids), Normal(text));
    EXPECT_EQ(tokenizer_->EncodeWithSpecials(text), ids);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, TinyTest, ::testing::Values("v20_tiny", "v25_tiny", "v26_tiny"),
                         [](const auto& info) { return std::string(info.param); });

TEST(StopTest, EveryEndOfAVersionIsAStop) {
  MCV_GOLDEN_OR_SKIP(models, "models");
  const auto names = [&](const char* model) {
    const auto tokenizer = LoadFolder(models + "/" + model + "/hf");
    std::vector<std::string> out;
    for (const int32_t id : tokenizer->stop_ids()) out.push_back(tokenizer->TokenBytes(id));
    return out;
  };
  EXPECT_THAT(names("v20_tiny"), ElementsAre("</s>"));
  EXPECT_THAT(names("v25_tiny"), ElementsAre("<|end_of_text|>", "<|eot_id|>"));
  EXPECT_THAT(names("v26_tiny"), ElementsAre("<|im_end|>", "<|endoftext|>"));
}

TEST(CleanUpTest, RemovesBlanksAsPublished) {
  MCV_GOLDEN_OR_SKIP(folder, "models/v25_tiny/hf");
  const auto tokenizer = LoadFolder(folder);
  const auto clean = [&](const char* text) {
    return tokenizer->Decode(tokenizer->EncodeText(text), {.clean_up_spaces = true});
  };
  EXPECT_EQ(clean("Yes , it is . Is it ? It do n't ' x ' we 're !"),
            "Yes, it is. Is it? It don't'x'we're!");
  EXPECT_EQ(clean("unchanged"), "unchanged");
}

// The table of model-spec 5.1, on the published model.
TEST(PublishedTest, MiniCpmVectorsOfTheSpecification) {
  MCV_GOLDEN_OR_SKIP(folder, "tokenizers/minicpmv20");
  const auto tokenizer = LoadFolder(folder);
  ASSERT_NE(tokenizer, nullptr);
  const std::pair<const char*, std::vector<int32_t>> cases[] = {
      {"<用户>What is in the image?<AI>",
       {95396, 4194, 95388, 5856, 1410, 1377, 1358, 3766, 74, 95396, 10850, 95388}},
      {"\n描述这张图片。<AI>", {5, 7132, 26854, 7702, 66, 95396, 10850, 95388}},
      {"Hello, world!", {15934, 95342, 2809, 73}},
      {" ", {95320}},
      {"  ", {1345}},
      {"   ", {5104}},
      {"  two", {1345, 15438}},
      {"。。。。", {76, 66}},
      {"--", {63, 63}},
      {"foo...bar", {11763, 75, 4102}},
      {"a\r\nb", {95324, 1102, 5, 95340}},
      {"\xF0\x90\x8D\x88", {1329, 1233, 1230, 1225}},
      {"e\xCC\x81", {95321, 99814}},
      {"<slice>", {95396, 23118, 95388}},
      {"</s>", {1731, 95328, 95388}},
  };
  for (const auto& [text, ids] : cases) EXPECT_EQ(tokenizer->EncodeText(text), ids) << text;
  EXPECT_EQ(tokenizer->SpecialId("<slice>"), 111);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  for (const int32_t id : tokenizer->EncodeText("<reserved_20> <image> </quad>")) {
    EXPECT_FALSE(tokenizer->IsControl(id));
  }
}

}  // namespace
}  // namespace mcv
