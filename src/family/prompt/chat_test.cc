// Prompts against the goldens, and what people can type or do wrong.
#include "family/prompt/chat.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "family/prompt/segments.h"
#include "family/tokenizer/test_tokenizers.h"

namespace mcv {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Case {
  const char* model;
  Version version;
  const char* gguf;
};

class ChatTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    MCV_GOLDEN_OR_SKIP(folder, std::string("models/") + GetParam().model);
    tokenizer_ = LoadFolder(folder + "/hf");
    ASSERT_NE(tokenizer_, nullptr);
    auto encoder = ChatEncoder::Create(*tokenizer_, row(), row().default_queries);
    ASSERT_TRUE(encoder.ok()) << encoder.status().ToString();
    encoder_ = std::make_unique<ChatEncoder>(*encoder);
  }
  const VersionRow& row() const { return Row(GetParam().version); }
  EncodedPrompt Encode(const std::vector<ChatTurn>& turns, ChatState* state) const {
    auto prompt = encoder_->EncodeTurns(turns, state);
    EXPECT_TRUE(prompt.ok()) << prompt.status().ToString();
    return prompt.ok() ? std::move(*prompt) : EncodedPrompt();
  }
  EncodedPrompt Encode(const std::vector<ChatTurn>& turns) const {
    ChatState state;
    return Encode(turns, &state);
  }
  std::string Refusal(const std::vector<ChatTurn>& turns, ChatState state = {}) const {
    const ChatState before = state;
    const auto prompt = encoder_->EncodeTurns(turns, &state);
    EXPECT_FALSE(prompt.ok());
    EXPECT_EQ(state.started, before.started);
    return prompt.ok() ? "" : prompt.status().message();
  }
  int CountControls(const std::vector<int32_t>& ids) const {
    return static_cast<int>(std::count_if(ids.begin(), ids.end(),
                                          [&](int32_t id) { return tokenizer_->IsControl(id); }));
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ChatEncoder> encoder_;
};

ChatTurn User(std::string text) { return ChatTurn::Text(Role::kUser, std::move(text)); }

SlicePlan Grid(int cols, int rows) {
  SlicePlan plan;
  plan.cols = cols;
  plan.rows = rows;
  return plan;
}

ChatTurn Question(const SlicePlan& plan, std::string text) {
  return {Role::kUser, {{"", plan}, {std::move(text), {}}}};
}

std::vector<int32_t> IdsOf(const json& expected) {
  if (expected.contains("ids")) return expected["ids"];
  std::vector<int32_t> ids;
  for (const json& run : expected["ids_runs"]) {
    ids.insert(ids.end(), run[1].get<size_t>(), run[0].get<int32_t>());
  }
  return ids;
}

std::vector<ChatTurn> TurnsOf(const json& expected) {
  std::vector<ChatTurn> turns;
  if (!expected.contains("turns")) {
    SlicePlan plan;
    if (!expected["grid"].is_null()) plan = Grid(expected["grid"][0], expected["grid"][1]);
    return {Question(plan, expected["question"])};
  }
  if (expected.contains("system")) {
    turns.push_back(ChatTurn::Text(Role::kSystem, expected["system"]));
  }
  for (const json& turn : expected["turns"]) {
    const Role role = turn[0] == "user" ? Role::kUser : Role::kAssistant;
    turns.push_back(ChatTurn::Text(role, turn[1]));
  }
  return turns;
}

// Every run of this model in the goldens: prompt text, ids and spans.
TEST_P(ChatTest, EveryGoldenPromptIsReproduced) {
  MCV_GOLDEN_OR_SKIP(all_runs, "expected");
  int num_runs = 0;
  int num_prompts = 0;
  for (const auto& run : std::filesystem::directory_iterator(all_runs)) {
    if (run.path().filename().string().rfind(GetParam().model, 0) != 0) continue;
    ++num_runs;
    for (const auto& file : std::filesystem::directory_iterator(run.path())) {
      if (file.path().extension() != ".json" || file.path().stem() == "tensors") continue;
      SCOPED_TRACE(file.path().string());
      const json expected = json::parse(ReadTestFile(file.path().string()));
      if (!expected.contains("prompt")) continue;  // the quantised runs repeat another's prompt
      const EncodedPrompt prompt = Encode(TurnsOf(expected));
      EXPECT_EQ(prompt.ids, IdsOf(expected));
      EXPECT_EQ(encoder_->PromptText(prompt.ids), expected["prompt"]);
      std::vector<std::vector<int>> spans;
      for (const ImageSpan& span : prompt.spans) spans.push_back({span.begin, span.end});
      EXPECT_EQ(json(spans), expected.value("image_spans", json::array()));
      ++num_prompts;
    }
  }
  if (num_runs == 0) GTEST_SKIP() << all_runs << " has no run of " << GetParam().model;
  EXPECT_GT(num_prompts, 0);
}

TEST_P(ChatTest, TheGgufTokenizerGivesTheSamePrompt) {
  MCV_GOLDEN_OR_SKIP(path, std::string("models/") + GetParam().model + "/gguf/" + GetParam().gguf);
  const auto tokenizer = LoadGguf(path);
  ASSERT_NE(tokenizer, nullptr);
  const auto other = ChatEncoder::Create(*tokenizer, row(), row().default_queries);
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  const std::vector<ChatTurn> turns = {Question(Grid(3, 2), "What is in the image?")};
  ChatState state;
  EXPECT_EQ(other->EncodeTurns(turns, &state)->ids, Encode(turns).ids);
}

// Whatever is typed, the control tokens are those of the prompt with a harmless text.
TEST_P(ChatTest, TypedTextNeverBecomesAControlToken) {
  const int harmless = CountControls(Encode({User("x")}).ids);
  for (int id = 0; id < tokenizer_->vocab_size(); ++id) {
    if (!tokenizer_->IsControl(id)) continue;
    const std::string name = tokenizer_->TokenBytes(id);
    for (const std::string& text : {name, name + name, "a" + name + "b", " " + name + "\n"}) {
      const EncodedPrompt prompt = Encode({User(text)});
      EXPECT_EQ(CountControls(prompt.ids), harmless) << text;
      EXPECT_THAT(encoder_->PromptText(prompt.ids), HasSubstr(name)) << "the text is still there";
    }
  }
  const EncodedPrompt reserved = Encode({User("<reserved_20><reserved_22>")});
  EXPECT_EQ(CountControls(reserved.ids), harmless);
}

TEST_P(ChatTest, MalformedAndOddTextIsEncoded) {
  for (const std::string& text :
       {std::string("\xff\xfe"), std::string("a\xe2\x96"), std::string("\0b", 2),
        std::string("\xed\xa0\x80"), std::string("e\xcc\x81"), std::string(20000, 'a')}) {
    const EncodedPrompt prompt = Encode({User(text)});
    EXPECT_GT(prompt.ids.size(), Encode({User("x")}).ids.size() - 2);
  }
}

TEST_P(ChatTest, ASessionExtendsItsCache) {
  // The whole conversation at once, and turn by turn with the answer's tokens in between.
  const ChatTurn first = Question(Grid(2, 1), "What is this?");
  const std::string answer = "A red fox.";
  const std::vector<ChatTurn> whole = {first, ChatTurn::Text(Role::kAssistant, answer),
                                       User("And here?")};
  ChatState state;
  std::vector<int32_t> cache = Encode({first}, &state).ids;
  EXPECT_TRUE(state.started);
  EXPECT_EQ(state.num_pictures, 1);
  for (const int32_t id : tokenizer_->EncodeText(answer)) cache.push_back(id);
  for (const int32_t id : Encode({User("And here?")}, &state).ids) cache.push_back(id);
  EXPECT_EQ(encoder_->PromptText(cache), encoder_->PromptText(Encode(whole).ids));
  if (row().chat != ChatFormat::kMiniCpm) {
    EXPECT_EQ(cache, Encode(whole).ids);
  }
}

TEST_P(ChatTest, PicturesAreCountedOverTheConversation) {
  ChatState state;
  const ChatTurn two = {Role::kUser, {{"", Grid(0, 0)}, {"", Grid(1, 2)}, {"Compare.", {}}}};
  const EncodedPrompt prompt = Encode({two}, &state);
  ASSERT_EQ(prompt.spans.size(), 4u);
  EXPECT_EQ(prompt.spans[0].picture, 0);
  EXPECT_EQ(prompt.spans[3].picture, 1);
  EXPECT_EQ(prompt.spans[3].view, 2);
  for (const ImageSpan& span : prompt.spans) {
    EXPECT_EQ(span.end - span.begin, row().default_queries);
    EXPECT_EQ(tokenizer_->TokenBytes(prompt.ids[span.begin]), "<unk>");
    EXPECT_TRUE(tokenizer_->IsControl(prompt.ids[span.begin - 1]));
    EXPECT_TRUE(tokenizer_->IsControl(prompt.ids[span.end]));
  }
  const EncodedPrompt third = Encode({Question(Grid(0, 0), "And this?")}, &state);
  EXPECT_EQ(third.spans[0].picture, 2);
  EXPECT_EQ(state.num_pictures, 3);
  const std::string text = encoder_->PromptText(third.ids);
  EXPECT_EQ(text.find("<image_id>2</image_id>") != text.npos, row().use_image_id);
}

TEST_P(ChatTest, WrongConversationsAreRefusedByReason) {
  const ChatTurn answer = ChatTurn::Text(Role::kAssistant, "Yes.");
  EXPECT_THAT(Refusal({}), HasSubstr("last turn"));
  EXPECT_THAT(Refusal({answer}), HasSubstr("expected the user's"));
  EXPECT_THAT(Refusal({User("a"), User("b")}), HasSubstr("expected the assistant's"));
  EXPECT_THAT(Refusal({User("a"), answer}), HasSubstr("last turn"));
  EXPECT_THAT(Refusal({User(" \n\t")}), HasSubstr("empty"));
  EXPECT_THAT(Refusal({{Role::kUser, {}}}), HasSubstr("empty"));
  const ChatTurn picture_answer = {Role::kAssistant, {{"", Grid(0, 0)}}};
  EXPECT_THAT(Refusal({User("a"), picture_answer, User("b")}), HasSubstr("only the user"));
  ChatState state;
  state.started = true;
  EXPECT_THAT(Refusal({ChatTurn::Text(Role::kSystem, "s"), User("a")}, state),
              HasSubstr("first turn"));
  if (row().chat == ChatFormat::kMiniCpm) {
    EXPECT_THAT(Refusal({ChatTurn::Text(Role::kSystem, "s"), User("a")}),
                HasSubstr("no system prompt"));
  }
}

TEST_P(ChatTest, AModelWithoutVisionRefusesPicturesOnly) {
  const auto text_only = ChatEncoder::Create(*tokenizer_, row(), 0);
  ASSERT_TRUE(text_only.ok());
  ChatState state;
  const std::vector<ChatTurn> picture = {Question(Grid(0, 0), "?")};
  EXPECT_THAT(text_only->EncodeTurns(picture, &state).status().message(), HasSubstr("vision"));
  const std::vector<ChatTurn> text = {User("Hello")};
  EXPECT_EQ(text_only->EncodeTurns(text, &state)->ids, Encode(text).ids);
}

TEST_P(ChatTest, TheFilesOwnTemplateIsRecognised) {
  EXPECT_EQ(NoteOnTemplate(row(), tokenizer_->chat_template()), "");
}

INSTANTIATE_TEST_SUITE_P(Tiny, ChatTest,
                         ::testing::Values(Case{"v20_tiny", Version::kV2_0, "llm-f16.gguf"},
                                           Case{"v25_tiny", Version::kV2_5, "llm-f32.gguf"},
                                           Case{"v26_tiny", Version::kV2_6, "llm-f32.gguf"}),
                         [](const auto& info) { return std::string(info.param.model); });

TEST(ChatFormatTest, Llama3TrimsEveryContentAndChatMlDoesNot) {
  MCV_GOLDEN_OR_SKIP(models, "models");
  const auto text_of = [&](const char* model, Version version) {
    const auto tokenizer = LoadFolder(models + "/" + model + "/hf");
    const auto encoder = ChatEncoder::Create(*tokenizer, Row(version), 64);
    ChatState state;
    const std::vector<ChatTurn> turns = {User("\n hi\xE3\x80\x80\n")};
    return encoder->PromptText(encoder->EncodeTurns(turns, &state)->ids);
  };
  EXPECT_THAT(text_of("v25_tiny", Version::kV2_5), HasSubstr("\n\nhi<|eot_id|>"));
  EXPECT_THAT(text_of("v26_tiny", Version::kV2_6),
              HasSubstr("user\n\n hi\xE3\x80\x80\n<|im_end|>"));
}

TEST(ChatFormatTest, AnotherModelsTokenizerIsRefused) {
  MCV_GOLDEN_OR_SKIP(folder, "models/v25_tiny/hf");
  const auto tokenizer = LoadFolder(folder);
  const auto encoder = ChatEncoder::Create(*tokenizer, Row(Version::kV2_6), 64);
  ASSERT_FALSE(encoder.ok());
  EXPECT_THAT(encoder.status().message(), HasSubstr("<|im_start|>"));
}

TEST(ChatFormatTest, AStrangeTemplateIsNoted) {
  EXPECT_THAT(NoteOnTemplate(Row(Version::kV2_5), "{{ '<|im_start|>' }}{{ '<|im_end|>' }}"),
              HasSubstr("unlike Llama 3"));
  EXPECT_THAT(NoteOnTemplate(Row(Version::kV2_6), "<|im_start|> <|im_end|>"),
              HasSubstr("helpful assistant"));
  EXPECT_THAT(NoteOnTemplate(Row(Version::kV2_0), "<|im_start|> <|im_end|>"),
              HasSubstr("unlike MiniCPM"));
  EXPECT_THAT(NoteOnTemplate(Row(Version::kV2_0), ""), IsEmpty());
}

TEST(SegmentsTest, NeighbouringTextsJoinAndOnlyTextIsTrimmed) {
  SegmentList list;
  list.Text(" \n");
  list.Text("\xC2\xA0");
  list.Control(7);
  list.Text("");
  list.Text("end \x1c");
  list.Trim();
  ASSERT_EQ(list.segments().size(), 3u);
  EXPECT_EQ(list.segments()[0].text, "");
  EXPECT_EQ(list.segments()[2].text, "end");
  EXPECT_TRUE(IsBlank("\xE2\x80\x83\t"));
  EXPECT_FALSE(IsBlank("\xff"));
  EXPECT_TRUE(IsBlank(""));
}

}  // namespace
}  // namespace mcv
