// Conversations with scripted models: what is asked of the models, what is told to the caller, and
// what stays when something goes wrong.
#include "engine/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/fake_model.h"

namespace mcv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kVocab = 448;

Image SolidImage(int width, int height, uint8_t level) {
  return {width, height, std::vector<uint8_t>(size_t(width) * size_t(height) * 3, level)};
}

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tokenizer = LoadTokenizerFromFolder(MCV_TESTDATA "/goldens/models/v25_tiny/hf");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
    tokenizer_ = *std::move(tokenizer);
    config_.version = Version::kV2_5;
    config_.vision.position_rule = PositionRule::kStrip;
    config_.resampler.queries = 96;
    eot_ = *tokenizer_->SpecialId("<|eot_id|>");
  }

  std::vector<int32_t> Ids(const std::string& text, bool stops = true) const {
    std::vector<int32_t> ids = tokenizer_->EncodeText(text);
    if (stops) ids.push_back(eot_);
    return ids;
  }

  std::unique_ptr<Session> MakeSession(FakeTextModel* model, FakeViewEncoder* encoder = nullptr) {
    ComputeParts compute;
    compute.text.reset(model);
    compute.encoder.reset(encoder);
    compute.after_encoding = [this] { ++dropped_; };
    compute.before_encoding = [this](bool) { ++needed_; };
    SessionParts parts;
    parts.scheduler = std::make_shared<Scheduler>(std::move(compute));
    parts.config = &config_;
    parts.tokenizer = tokenizer_.get();
    parts.picture_cache = cache_;
    parts.encoder_id = [this] { return encoder_id_; };
    auto session = Session::Create(std::move(parts));
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    return *std::move(session);
  }
  std::unique_ptr<Session> Saying(std::vector<std::vector<int32_t>> answers,
                                  int64_t capacity = 4096) {
    model_ = FakeTextModel::Scripted(kVocab, capacity, std::move(answers));
    return MakeSession(model_, encoder_ = new FakeViewEncoder(96));
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  ModelConfig config_;
  FakeTextModel* model_ = nullptr;  // owned by the session
  FakeViewEncoder* encoder_ = nullptr;
  int32_t eot_ = 0;
  int dropped_ = 0;
  int needed_ = 0;
  std::shared_ptr<PictureCache> cache_;  // null: none
  EncoderId encoder_id_ = {};
};

TEST_F(SessionTest, StreamsTheAnswerInOrderAndEndsAtTheStopToken) {
  auto session = Saying({Ids("A red fox, sitting.")});
  std::vector<std::string> pieces;
  AskCallbacks callbacks;
  callbacks.on_text = [&](std::string_view piece) { pieces.emplace_back(piece); };
  const auto answer = session->Ask({"What is this?", {}}, {}, callbacks);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->text, "A red fox, sitting.");
  EXPECT_EQ(answer->reason, StopReason::kStopToken);
  EXPECT_EQ(answer->ids, Ids("A red fox, sitting.", /*stops=*/false));
  EXPECT_GT(pieces.size(), 3u);
  std::string joined;
  for (const std::string& piece : pieces) joined += piece;
  EXPECT_EQ(joined, answer->text);
}

TEST_F(SessionTest, StopStringMayLieAcrossTokensAndIsNeverShown) {
  auto session = Saying({Ids("one two END three")});
  AskOptions options;
  options.stop_strings = {"END"};
  std::string shown;
  AskCallbacks callbacks;
  callbacks.on_text = [&](std::string_view piece) { shown += piece; };
  const auto answer = session->Ask({"Count", {}}, options, callbacks);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->text, "one two");
  EXPECT_EQ(shown, "one two");
  EXPECT_EQ(answer->reason, StopReason::kStopString);
}

TEST_F(SessionTest, BeginningOfAStopStringThatDoesNotComeIsShown) {
  auto session = Saying({Ids("one E two EN")});
  AskOptions options;
  options.stop_strings = {"END"};
  const auto answer = session->Ask({"Count", {}}, options);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->text, "one E two EN");
}

TEST_F(SessionTest, MaxTokens) {
  auto session = Saying({Ids("a long answer that goes on")});
  AskOptions options;
  options.max_tokens = 3;
  const auto answer = session->Ask({"Go", {}}, options);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->ids.size(), 3u);
  EXPECT_EQ(answer->reason, StopReason::kMaxTokens);
  EXPECT_EQ(answer->stats.generated_tokens, 3);
}

TEST_F(SessionTest, FurtherTurnReadsOnlyWhatIsNew) {
  auto session = Saying({Ids("Yes."), Ids("No.")});
  ASSERT_TRUE(session->Ask({"First question?", {}}).ok());
  const int64_t held = session->context_used();
  const auto second = session->Ask({"Second?", {}});
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->stats.reused_tokens, held);
  EXPECT_EQ(model_->tokens_read(), session->context_used());

  // The cache holds what the whole conversation would be written as.
  const auto encoder = ChatEncoder::Create(*tokenizer_, config_.row(), 96);
  ChatState state;
  const auto whole =
      encoder->EncodeTurns(std::vector<ChatTurn>{ChatTurn::Text(Role::kUser, "First question?"),
                                                 ChatTurn::Text(Role::kAssistant, "Yes."),
                                                 ChatTurn::Text(Role::kUser, "Second?")},
                           &state);
  ASSERT_TRUE(whole.ok());
  const std::vector<int32_t> prompt(model_->history().begin(),
                                    model_->history().begin() + int64_t(whole->ids.size()));
  EXPECT_EQ(prompt, whole->ids);
  EXPECT_EQ(session->turns().size(), 4u);
}

TEST_F(SessionTest, AnswerCutOffIsReadWithTheNextQuestion) {
  auto session = Saying({Ids("one two three"), Ids("ok")});
  AskOptions options;
  options.max_tokens = 2;
  const auto first = session->Ask({"Count", {}}, options);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(session->Ask({"And?", {}}).ok());
  // Both tokens of the first answer are in the cache, followed by the turn's end.
  const auto& history = model_->history();
  const auto at = std::search(history.begin(), history.end(), first->ids.begin(), first->ids.end());
  ASSERT_NE(at, history.end());
  EXPECT_EQ(*(at + 2), eot_);
}

TEST_F(SessionTest, PictureIsEncodedOnceAndItsRowsTakeTheirPlaces) {
  auto session = Saying({Ids("Gray.")});
  int calls = 0;
  AddImageOptions options;
  options.on_progress = [&](const ViewProgress& p) { EXPECT_EQ(p.views_done, calls++); };
  const auto first = session->AddImage(SolidImage(900, 300, 128), options);  // 3 x 1 slices
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(*first, 0);
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(encoder_->encoded(), 4);
  EXPECT_EQ(session->picture_stats(0).views, 4);
  EXPECT_EQ(session->picture_stats(0).rows, 4 * 96);

  EXPECT_EQ(*session->AddImage(SolidImage(900, 300, 128)), 0);
  EXPECT_EQ(*session->AddImage(SolidImage(900, 300, 129)), 1);
  EXPECT_EQ(encoder_->encoded(), 8);
  EXPECT_EQ(dropped_, 0);

  ASSERT_TRUE(session->Ask({"Which colours?", {1, 0}}).ok());
  EXPECT_EQ(dropped_, 1);  // once, before the language model ran
  EXPECT_EQ(encoder_->released(), 1);
  ASSERT_EQ(model_->images().size(), 8u);
  EXPECT_EQ(model_->images()[0].first_value, 4.0f);  // picture 1 came first
  EXPECT_EQ(model_->images()[4].first_value, 0.0f);
  const int32_t holder = *tokenizer_->SpecialId("<unk>");
  for (const auto& image : model_->images()) {
    EXPECT_EQ(image.end - image.begin, 96);
    EXPECT_EQ(model_->history()[size_t(image.begin)], holder);
    EXPECT_EQ(model_->history()[size_t(image.end - 1)], holder);
    EXPECT_NE(model_->history()[size_t(image.begin - 1)], holder);
  }
}

TEST_F(SessionTest, APictureFromTheCacheDoesNotTouchTheEncoder) {
  cache_ = std::make_shared<PictureCache>(PictureCacheOptions());
  const Image image = SolidImage(900, 300, 128);
  auto first = Saying({Ids("Gray.")});
  ASSERT_TRUE(first->AddImage(image).ok());
  EXPECT_EQ(first->picture_stats(0).source, PictureSource::kEncoded);
  const PictureStats encoded = first->picture_stats(0);
  EXPECT_EQ(needed_, 1);

  auto second = Saying({Ids("Gray.")});
  AddImageOptions options;
  options.on_progress = [](const ViewProgress&) { ADD_FAILURE() << "nothing is encoded"; };
  ASSERT_TRUE(second->AddImage(image, options).ok());
  const PictureStats& found = second->picture_stats(0);
  EXPECT_EQ(found.source, PictureSource::kMemory);
  EXPECT_EQ(found.views, encoded.views);
  EXPECT_EQ(found.patches, encoded.patches);
  EXPECT_EQ(found.rows, encoded.rows);
  ASSERT_TRUE(second->Ask({"Which colour?", {0}}).ok());
  ASSERT_EQ(model_->images().size(), 4u);
  for (int view = 0; view < 4; ++view) EXPECT_EQ(model_->images()[size_t(view)].first_value, view);
  EXPECT_EQ(encoder_->encoded(), 0);
  EXPECT_EQ(encoder_->released(), 0);
  EXPECT_EQ(needed_, 1);
  EXPECT_EQ(dropped_, 0);
}

TEST_F(SessionTest, TheCacheTellsApartWhatChangesRows) {
  cache_ = std::make_shared<PictureCache>(PictureCacheOptions());
  const auto source = [&](const Image& image) {
    auto session = Saying({Ids("x")});
    EXPECT_TRUE(session->AddImage(image).ok());
    return session->picture_stats(0).source;
  };
  const Image image = SolidImage(900, 300, 128);
  EXPECT_EQ(source(image), PictureSource::kEncoded);
  EXPECT_EQ(source(SolidImage(900, 300, 129)), PictureSource::kEncoded);
  EXPECT_EQ(source(SolidImage(300, 900, 128)), PictureSource::kEncoded);  // the same bytes
  config_.slicing.max_slices = 8;  // this picture has 3 slices either way
  EXPECT_EQ(source(image), PictureSource::kMemory);
  config_.slicing.max_slices = 1;
  EXPECT_EQ(source(image), PictureSource::kEncoded);
  encoder_id_[0] = 1;
  EXPECT_EQ(source(image), PictureSource::kEncoded);
  EXPECT_EQ(source(image), PictureSource::kMemory);
}

TEST_F(SessionTest, PictureOfALaterTurnGetsItsOwnRows) {
  auto session = Saying({Ids("One."), Ids("Two.")});
  ASSERT_TRUE(session->AddImage(SolidImage(40, 30, 1)).ok());
  ASSERT_TRUE(session->Ask({"First?", {0}}).ok());
  ASSERT_TRUE(session->AddImage(SolidImage(40, 30, 2)).ok());
  ASSERT_TRUE(session->Ask({"Second?", {1}}).ok());
  ASSERT_EQ(model_->images().size(), 2u);
  EXPECT_EQ(model_->images()[1].first_value, 1.0f);
  const int32_t holder = *tokenizer_->SpecialId("<unk>");
  EXPECT_EQ(model_->history()[size_t(model_->images()[1].begin)], holder);
}

TEST_F(SessionTest, PromptThatDoesNotFitSaysByHowMuch) {
  auto session = Saying({Ids("x")}, /*capacity=*/40);
  ASSERT_TRUE(session->Ask({"Hi", {}}).ok());
  const int64_t used = session->context_used();
  const std::vector<int32_t> before = model_->history();
  const auto answer = session->Ask({std::string(200, 'q'), {}});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.status().code(), StatusCode::kContextFull);
  EXPECT_THAT(answer.status().message(), HasSubstr("context's 40"));
  EXPECT_THAT(answer.status().message(), HasSubstr("only " + std::to_string(40 - used)));
  EXPECT_EQ(session->context_used(), used);
  EXPECT_EQ(model_->history(), before);
  EXPECT_EQ(session->turns().size(), 2u);
  EXPECT_TRUE(session->Ask({"Ok?", {}}).ok());  // a shorter question still works
}

TEST_F(SessionTest, ContextThatFillsUpEndsTheAnswer) {
  auto session = Saying({Ids("a b c d e f g h i j k l m n o p q r s t u v w x y z")}, 20);
  const auto answer = session->Ask({"Alphabet", {}});
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->reason, StopReason::kContextFull);
  EXPECT_FALSE(answer->text.empty());
  EXPECT_EQ(int64_t(model_->history().size()), 20);
  const auto next = session->Ask({"More", {}});
  EXPECT_EQ(next.status().code(), StatusCode::kContextFull);
}

TEST_F(SessionTest, CancelBeforeTheAnswerLeavesNothing) {
  auto session = Saying({Ids("x")});
  std::atomic<bool> cancel = true;
  AskOptions options;
  options.cancel = &cancel;
  const auto answer = session->Ask({"Hi", {}}, options);
  EXPECT_EQ(answer.status().code(), StatusCode::kCancelled);
  EXPECT_EQ(session->context_used(), 0);
  EXPECT_TRUE(session->turns().empty());
  cancel = false;
  EXPECT_TRUE(session->Ask({"Hi", {}}, options).ok());
}

TEST_F(SessionTest, CancelBetweenTokensKeepsWhatWasSaid) {
  auto session = Saying({Ids("one two three four"), Ids("ok")});
  std::atomic<bool> cancel = false;
  AskOptions options;
  options.cancel = &cancel;
  AskCallbacks callbacks;
  callbacks.on_text = [&](std::string_view) { cancel = true; };
  const auto answer = session->Ask({"Count", {}}, options, callbacks);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->reason, StopReason::kCancelled);
  EXPECT_FALSE(answer->text.empty());
  EXPECT_EQ(session->turns().size(), 2u);
  cancel = false;
  EXPECT_EQ(session->Ask({"Go on", {}}, options)->text, "ok");
}

TEST_F(SessionTest, CancelBetweenViewsAddsNoPicture) {
  auto session = Saying({Ids("x")});
  std::atomic<bool> cancel = false;
  AddImageOptions options;
  options.cancel = &cancel;
  options.on_progress = [&](const ViewProgress& p) { cancel = p.views_done == 2; };
  const auto image = session->AddImage(SolidImage(900, 300, 1), options);
  EXPECT_EQ(image.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(image.status().message(), HasSubstr("2 of 4"));
  EXPECT_EQ(session->num_images(), 0);
}

TEST_F(SessionTest, RefusesWhatCannotBeMeant) {
  auto session = Saying({Ids("x")});
  EXPECT_EQ(session->Ask({"", {}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(session->Ask({" \n\t", {}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(session->Ask({"caf\xe9", {}}).status().message(), HasSubstr("UTF-8"));
  EXPECT_THAT(session->Ask({"Hi", {0}}).status().message(), HasSubstr("picture number 0"));
  AskOptions options;
  options.sampling.top_p = 0.0f;
  EXPECT_THAT(session->Ask({"Hi", {}}, options).status().message(), HasSubstr("top-p"));
  EXPECT_EQ(session->AddImage(Image()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(model_->steps(), 0);

  auto blind = MakeSession(FakeTextModel::Scripted(kVocab, 100, {Ids("x")}));
  EXPECT_EQ(blind->AddImage(SolidImage(9, 9, 0)).status().code(), StatusCode::kUnsupported);
  EXPECT_TRUE(blind->Ask({"Text only", {}}).ok());
}

TEST_F(SessionTest, TypedControlTextStaysText) {
  auto session = Saying({Ids("x")});
  ASSERT_TRUE(session->Ask({"a<|eot_id|>b<image>c", {}}).ok());
  int controls = 0;
  for (const int32_t id : model_->history()) controls += tokenizer_->IsControl(id) ? 1 : 0;
  auto plain = Saying({Ids("x")});
  ASSERT_TRUE(plain->Ask({"abc", {}}).ok());
  int plain_controls = 0;
  for (const int32_t id : model_->history()) plain_controls += tokenizer_->IsControl(id) ? 1 : 0;
  EXPECT_EQ(controls, plain_controls);
}

TEST_F(SessionTest, SystemMessageOnlyAtTheBeginning) {
  auto session = Saying({Ids("x")});
  ASSERT_TRUE(session->SetSystem("Be brief.").ok());
  ASSERT_TRUE(session->Ask({"Hi", {}}).ok());
  const size_t with_system = model_->history().size();
  EXPECT_EQ(session->SetSystem("Be long.").code(), StatusCode::kInvalidArgument);
  session->Clear();
  EXPECT_EQ(session->context_used(), 0);
  EXPECT_TRUE(session->turns().empty());
  ASSERT_TRUE(session->SetSystem("").ok() && session->Ask({"Hi", {}}).ok());
  EXPECT_NE(model_->history().size(), with_system);
}

TEST_F(SessionTest, TwoSessionsDoNotMeet) {
  auto first = Saying({Ids("apple"), Ids("apricot")});
  FakeTextModel* first_model = model_;
  auto second = Saying({Ids("banana"), Ids("blueberry")});
  EXPECT_EQ(first->Ask({"One", {}})->text, "apple");
  EXPECT_EQ(second->Ask({"Two", {}})->text, "banana");
  EXPECT_EQ(first->Ask({"Three", {}})->text, "apricot");
  EXPECT_EQ(second->Ask({"Four", {}})->text, "blueberry");
  EXPECT_EQ(first->turns().size(), 4u);
  EXPECT_NE(first_model->history(), model_->history());
}

TEST_F(SessionTest, BeamsAnswerAtTheEndAndTheConversationGoesOn) {
  auto session = Saying({Ids("beam"), Ids("next")});
  AskOptions options;
  options.sampling = DefaultSampling(Version::kV2_5, SamplingPreset::kBeams).options;
  options.max_tokens = 2;
  const auto answer = session->Ask({"Hi", {}}, options);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_FALSE(answer->ids.empty());
  EXPECT_TRUE(session->Ask({"Again", {}}).ok());
  const auto& history = model_->history();
  EXPECT_NE(std::search(history.begin(), history.end(), answer->ids.begin(), answer->ids.end()),
            history.end());
}

TEST_F(SessionTest, TheLastQuestionCanBeTakenBack) {
  auto session = Saying({Ids("One."), Ids("Two."), Ids("Three.")});
  EXPECT_EQ(session->ForgetLastTurn().code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(session->Ask({"First?", {}}).ok());
  const int64_t used = session->context_used();
  ASSERT_TRUE(session->Ask({"Second?", {}}).ok());
  const std::vector<int32_t> history = model_->history();
  ASSERT_TRUE(session->ForgetLastTurn().ok());
  EXPECT_EQ(session->context_used(), used);
  EXPECT_EQ(session->turns().size(), 2u);
  const auto again = session->Ask({"Second?", {}});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->text, "Three.");
  // The prompt is what it was the first time.
  const size_t prompt = static_cast<size_t>(again->stats.prompt_tokens);
  EXPECT_TRUE(
      std::equal(history.begin(), history.begin() + int64_t(prompt), model_->history().begin()));
  ASSERT_TRUE(session->ForgetLastTurn().ok());
  ASSERT_TRUE(session->ForgetLastTurn().ok());
  EXPECT_EQ(session->context_used(), 0);
  EXPECT_FALSE(session->ForgetLastTurn().ok());
}

TEST_F(SessionTest, AFullContextForgetsTheOldestIfItMay) {
  auto session = Saying({Ids("One."), Ids("Two."), Ids("Three."), Ids("Four.")}, /*capacity=*/90);
  AskOptions options;
  options.max_tokens = 8;
  ASSERT_TRUE(session->Ask({"The first question of all?", {}}, options).ok());
  ASSERT_TRUE(session->Ask({"The second question of all?", {}}, options).ok());
  const std::string third = "And now a third question, which is too long for what is left of it?";
  EXPECT_EQ(session->Ask({third, {}}, options).status().code(), StatusCode::kContextFull);
  EXPECT_EQ(session->turns().size(), 4u);
  const int64_t used = session->context_used();

  // What cannot be answered forgets nothing.
  options.may_forget = true;
  EXPECT_EQ(session->Ask({std::string(2000, 'x'), {}}, options).status().code(),
            StatusCode::kContextFull);
  EXPECT_EQ(session->turns().size(), 4u);
  EXPECT_EQ(session->context_used(), used);

  const auto answer = session->Ask({third, {}}, options);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_GE(answer->stats.forgotten_questions, 1);
  EXPECT_EQ(answer->stats.reused_tokens, 0);
  EXPECT_EQ(session->turns().size(),
            static_cast<size_t>(6 - 2 * answer->stats.forgotten_questions));
  EXPECT_EQ(session->turns().back().text, answer->text);
  EXPECT_FALSE(session->ForgetLastTurn().ok());
}

TEST_F(SessionTest, ABlankQuestionBesideAPictureIsAsPublished) {
  auto session = Saying({Ids("Gray.")});
  const auto picture = session->AddImage(SolidImage(60, 40, 9));
  ASSERT_TRUE(picture.ok());
  EXPECT_TRUE(session->Ask({"", {*picture}}).ok());
  EXPECT_EQ(session->Ask({"", {}}).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(SessionTest, StopStringsAreText) {
  auto session = Saying({Ids("Yes.")});
  AskOptions options;
  options.stop_strings = {"\xff"};
  EXPECT_EQ(session->Ask({"Well?", {}}, options).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mcv
