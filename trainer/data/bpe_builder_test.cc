#include "trainer/data/bpe_builder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "trainer/data/test_assets.h"

namespace mcv::trainer {
namespace {

using Pieces = std::vector<std::string>;

class NanoTokenizerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ =
        std::filesystem::temp_directory_path() / ("nano-tokenizer-" + std::to_string(getpid()));
    const Status status = BuildNanoTokenizer(TestAssets(), folder_.string());
    ASSERT_TRUE(status.ok()) << status.ToString();
    auto loaded = NanoTokenizer::Load(folder_.string());
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    tokenizer_ = new NanoTokenizer(std::move(*loaded));
  }
  static void TearDownTestSuite() {
    delete tokenizer_;
    std::filesystem::remove_all(folder_);
  }

  static Pieces Split(const std::string& text) {
    Pieces pieces;
    for (int32_t id : tokenizer_->Encode(text)) pieces.push_back(tokenizer_->Decode({id}, true));
    return pieces;
  }

  inline static std::filesystem::path folder_;
  inline static NanoTokenizer* tokenizer_ = nullptr;
};

TEST_F(NanoTokenizerTest, IsSmallAndWhole) {
  EXPECT_GT(tokenizer_->vocabulary_size(), 512);
  EXPECT_LE(tokenizer_->vocabulary_size(), 1024);
  EXPECT_EQ(tokenizer_->vocabulary_size() % 64, 0);
}

TEST_F(NanoTokenizerTest, WordsBehindASpaceAreOneToken) {
  EXPECT_EQ(Split("What is left of the dog?"),
            (Pieces{"What", " is", " left", " of", " the", " dog", "?"}));
  EXPECT_EQ(Split("Two cats and a red circle"),
            (Pieces{"Two", " cats", " and", " a", " red", " circle"}));
}

TEST_F(NanoTokenizerTest, AWordThatIsReadIsSpelled) {
  EXPECT_EQ(Split("dog"), (Pieces{"d", "o", "g"}));
  EXPECT_EQ(Split("picture"), (Pieces{"p", "i", "c", "t", "u", "r", "e"}));
}

TEST_F(NanoTokenizerTest, SpecialStringsOnlyWhereAsked) {
  EXPECT_EQ(Split("<image></image>\nHow"), (Pieces{"<image>", "</image>", "\n", "How"}));
  const auto typed = tokenizer_->Encode("<image>", /*special=*/false);
  EXPECT_GT(typed.size(), 1u);
  EXPECT_EQ(tokenizer_->Decode(typed), "<image>");
}

TEST_F(NanoTokenizerTest, EveryQuestionComesBack) {
  DataConfig config;
  config.group_size = 8;
  DataGenerator generator(SharedTestAssets(), config);
  size_t scene_tokens = 0, scene_turns = 0;
  for (uint64_t i = 0; i < 1500; ++i) {
    const Sample sample = generator.Make(mcv::trainer::Split::kHeldOut, i);
    for (const Turn& turn : sample.turns) {
      EXPECT_EQ(tokenizer_->Decode(tokenizer_->Encode(turn.question)), turn.question);
      EXPECT_EQ(tokenizer_->Decode(tokenizer_->Encode(turn.answer)), turn.answer);
      if (sample.kind != SampleKind::kScene) continue;
      ++scene_turns;
      scene_tokens +=
          tokenizer_->Encode(turn.question).size() + tokenizer_->Encode(turn.answer).size();
    }
  }
  // Ten tokens for a question and its answer: nothing of the scenes' language is spelled out.
  EXPECT_LT(scene_tokens, 11 * scene_turns);
}

TEST_F(NanoTokenizerTest, ChatHasItsTargetsOnAnswersOnly) {
  const std::vector<Turn> turns = {{QuestionType::kCount, "How many cats are there?", "Two"},
                                   {QuestionType::kRead, "What does it say?", "ab"}};
  const ChatTokens chat = EncodeChat(*tokenizer_, turns, 3);
  ASSERT_EQ(chat.ids.size(), chat.target.size());
  EXPECT_EQ(tokenizer_->Decode(chat.ids, true),
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
            "<image><unk><unk><unk></image>\nHow many cats are there?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nTwo<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nWhat does it say?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nab<|eot_id|>");
  std::vector<int32_t> learned;
  for (size_t i = 0; i < chat.target.size(); ++i) {
    if (chat.target[i] < 0) continue;
    learned.push_back(chat.target[i]);
    EXPECT_EQ(chat.target[i], chat.ids[i + 1]);
  }
  EXPECT_EQ(tokenizer_->Decode(learned, true), "Two<|eot_id|>ab<|eot_id|>");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(chat.ids[chat.image_begin + i], tokenizer_->unk());
  EXPECT_EQ(chat.ids[chat.image_begin - 1], tokenizer_->image_start());

  const ChatTokens prompt = EncodePrompt(*tokenizer_, turns, 3);
  ASSERT_LT(prompt.ids.size(), chat.ids.size());
  EXPECT_TRUE(std::equal(prompt.ids.begin(), prompt.ids.end(), chat.ids.begin()));
  EXPECT_EQ(chat.ids.size() - prompt.ids.size(), 3u);  // "a", "b", <|eot_id|>
}

TEST_F(NanoTokenizerTest, BuildingTwiceGivesTheSameBytes) {
  const auto read = [](const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  };
  const auto second = folder_ / "again";
  ASSERT_TRUE(BuildNanoTokenizer(TestAssets(), second.string()).ok());
  EXPECT_EQ(read(folder_ / "tokenizer.json"), read(second / "tokenizer.json"));
  EXPECT_EQ(read(folder_ / "tokenizer_config.json"), read(second / "tokenizer_config.json"));
}

}  // namespace
}  // namespace mcv::trainer
