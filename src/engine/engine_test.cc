// The engine on the committed tiny models: its answers are the reference's, and what cannot work is
// refused when it is opened.
#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/pictures/picture_cache.h"
#include "engine/session.h"

namespace mcv {
namespace {

using ::testing::HasSubstr;

const std::string kGoldens = MCV_TESTDATA "/goldens";
const std::string kLlama = kGoldens + "/models/v25_tiny/gguf/llm-f16.gguf";
const std::string kMiniCpm = kGoldens + "/models/v20_tiny/hf";

EngineOptions Exact(const std::string& model) {
  EngineOptions options;
  options.model = model;
  options.numerics = Numerics::kExact;
  options.threads = 2;
  return options;
}

std::unique_ptr<Session> OpenSession(const EngineOptions& options) {
  const auto engine = Engine::Open(options);
  EXPECT_TRUE(engine.ok()) << engine.status().ToString();
  if (!engine.ok()) return nullptr;
  auto session = (*engine)->NewSession();  // keeps the engine alive
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  return session.ok() ? *std::move(session) : nullptr;
}

Image Stored(const std::string& name) {
  ImageOptions options;
  options.apply_orientation = false;
  auto picture = LoadImage(kGoldens + "/images/" + name + ".png", options);
  EXPECT_TRUE(picture.ok()) << picture.status().ToString();
  return picture.ok() ? std::move(picture->image) : Image();
}

struct GoldenAnswer {
  std::string model;
  std::string expected;
  std::string picture;
};

class EngineGoldenTest : public ::testing::TestWithParam<GoldenAnswer> {};

// The expected runs go on after an end token; an answer ends there.
TEST_P(EngineGoldenTest, AnswersAsTheReference) {
  nlohmann::json expected;
  std::ifstream(kGoldens + "/expected/" + GetParam().expected) >> expected;
  const auto session = OpenSession(Exact(GetParam().model));
  ASSERT_NE(session, nullptr);
  const auto picture = session->AddImage(Stored(GetParam().picture));
  ASSERT_TRUE(picture.ok()) << picture.status().ToString();
  AskOptions options;
  options.max_tokens = 16;
  const auto answer = session->Ask({expected["question"].get<std::string>(), {*picture}}, options);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  const auto tokens = expected["tokens"].get<std::vector<int32_t>>();
  ASSERT_LE(answer->ids.size(), tokens.size());
  EXPECT_EQ(answer->ids,
            std::vector<int32_t>(tokens.begin(), tokens.begin() + int64_t(answer->ids.size())));
  EXPECT_EQ(answer->reason == StopReason::kMaxTokens, answer->ids.size() == tokens.size());
  EXPECT_EQ(answer->stats.prompt_tokens, expected["prompt_tokens"].get<int64_t>());
  EXPECT_GT(session->trace().Seconds(Zone::kVisionMlp), 0.0);
}

INSTANTIATE_TEST_SUITE_P(
    Runs, EngineGoldenTest,
    ::testing::Values(GoldenAnswer{kLlama, "v25_tiny.strip/img_900x300.json", "img_900x300"},
                      GoldenAnswer{kMiniCpm, "v20_tiny/img_40x30.json", "img_40x30"}),
    [](const auto& info) { return info.index == 0 ? "Llama25Sliced" : "MiniCpm20"; });

// Tokens of an answer about a picture.
std::vector<int32_t> AnswerOf(const EngineOptions& options) {
  const auto session = OpenSession(options);
  if (session == nullptr) return {};
  const auto picture = session->AddImage(Stored("img_40x30"));
  EXPECT_TRUE(picture.ok()) << picture.status().ToString();
  AskOptions ask;
  ask.max_tokens = 12;
  const auto answer = session->Ask({"What is in the picture?", {*picture}}, ask);
  EXPECT_TRUE(answer.ok()) << answer.status().ToString();
  return answer.ok() ? answer->ids : std::vector<int32_t>();
}

TEST(EngineTest, FilesInMemoryAnswerTheSame) {
  for (const std::string& model : {kLlama, kMiniCpm}) {
    EngineOptions options = Exact(model);
    const auto mapped = AnswerOf(options);
    EXPECT_FALSE(mapped.empty());
    options.no_mmap = true;
    EXPECT_EQ(AnswerOf(options), mapped);
  }
}

// The rows that a picture cache keeps are the encoder's, so they tell how it computed.
TEST(EngineTest, TheEncoderHasNumericsOfItsOwn) {
  EngineOptions options = Exact(kLlama);
  options.picture_cache = std::make_shared<PictureCache>(PictureCacheOptions());
  const auto encoded_anew = [&options] {
    const auto session = OpenSession(options);
    const auto picture = session->AddImage(Stored("img_40x30"));
    EXPECT_TRUE(picture.ok());
    return session->picture_stats(*picture).source == PictureSource::kEncoded;
  };
  EXPECT_TRUE(encoded_anew());
  options.numerics = Numerics::kFast;
  options.encoder_numerics = Numerics::kExact;
  EXPECT_FALSE(encoded_anew());
  options.encoder_numerics.reset();
  EXPECT_TRUE(encoded_anew());
  const auto engine = Engine::Open(options);
  EXPECT_EQ((*engine)->encoder_numerics(), Numerics::kFast);
}

TEST(EngineTest, SecondTurnContinuesTheCache) {
  const auto session = OpenSession(Exact(kLlama));
  ASSERT_NE(session, nullptr);
  AskOptions options;
  options.max_tokens = 6;
  const auto picture = session->AddImage(Stored("img_40x30"));
  ASSERT_TRUE(picture.ok());
  ASSERT_TRUE(session->Ask({"What is it?", {*picture}}, options).ok());
  const int64_t used = session->context_used();
  const auto second = session->Ask({"And why?", {}}, options);
  ASSERT_TRUE(second.ok());
  EXPECT_GE(second->stats.reused_tokens, used - 6);
  EXPECT_LT(second->stats.prompt_tokens - second->stats.reused_tokens, 40);

  // Cleared and asked again: the same answer without encoding again.
  session->Clear();
  const auto again = session->Ask({"What is it?", {*picture}}, options);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(session->num_images(), 1);
}

TEST(EngineTest, AnswersFromTheCacheAreTheSame) {
  EngineOptions options = Exact(kLlama);
  options.picture_cache = std::make_shared<PictureCache>(PictureCacheOptions());
  AskOptions ask;
  ask.max_tokens = 8;
  std::vector<Answer> answers;
  for (const PictureSource source : {PictureSource::kEncoded, PictureSource::kMemory}) {
    const auto session = OpenSession(options);  // an engine of its own
    ASSERT_NE(session, nullptr);
    const auto picture = session->AddImage(Stored("img_900x300"));
    ASSERT_TRUE(picture.ok());
    EXPECT_EQ(session->picture_stats(0).source, source);
    auto answer = session->Ask({"What is it?", {*picture}}, ask);
    ASSERT_TRUE(answer.ok());
    answers.push_back(*std::move(answer));
  }
  EXPECT_EQ(answers[0].ids, answers[1].ids);
  // Numbers of another kind are not taken for these.
  options.numerics = Numerics::kFast;
  const auto session = OpenSession(options);
  ASSERT_TRUE(session->AddImage(Stored("img_900x300")).ok());
  EXPECT_EQ(session->picture_stats(0).source, PictureSource::kEncoded);
}

TEST(EngineTest, SampledAnswersRepeatWithTheirSeed) {
  const auto ask = [](uint64_t seed) {
    const auto session = OpenSession(Exact(kLlama));
    AskOptions options;
    options.sampling = DefaultSampling(Version::kV2_5, SamplingPreset::kSampled).options;
    options.sampling.seed = seed;
    options.max_tokens = 12;
    return session->Ask({"Tell me something", {}}, options)->ids;
  };
  EXPECT_EQ(ask(1), ask(1));
  EXPECT_NE(ask(1), ask(2));
}

void CheckBeamsRepeat(const EngineOptions& engine) {
  const auto session = OpenSession(engine);
  ASSERT_NE(session, nullptr);
  AskOptions options;
  options.sampling = DefaultSampling(Version::kV2_0, SamplingPreset::kBeams).options;
  options.max_tokens = 8;
  const auto first = session->Ask({"Hello", {}}, options);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  session->Clear();
  EXPECT_EQ(session->Ask({"Hello", {}}, options)->ids, first->ids);
}

TEST(EngineTest, BeamsRunOnARealModel) { CheckBeamsRepeat(Exact(kMiniCpm)); }

TEST(EngineTest, BeamsRunOnAQuantisedCache) {
  EngineOptions options = Exact(kMiniCpm);
  options.cache_type = DType::kQ8_0;
  CheckBeamsRepeat(options);
}

TEST(EngineTest, CacheTypeIsWhatWasAskedFor) {
  EngineOptions options = Exact(kLlama);
  const int64_t exact = (*Engine::Open(options))->cache_bytes_per_position();
  options.cache_type = DType::kQ8_0;
  EXPECT_EQ((*Engine::Open(options))->cache_bytes_per_position(), exact * 34 / 128);
  options.cache_type.reset();
  options.numerics = Numerics::kFast;
  EXPECT_EQ((*Engine::Open(options))->cache_type(), DType::kF16);
}

TEST(EngineTest, TwoSessionsOfOneEngine) {
  const auto engine = Engine::Open(Exact(kLlama));
  ASSERT_TRUE(engine.ok());
  auto a = (*engine)->NewSession(), b = (*engine)->NewSession();
  ASSERT_TRUE(a.ok() && b.ok());
  AskOptions options;
  options.max_tokens = 4;
  const auto first = (*a)->Ask({"Hello", {}}, options);
  ASSERT_TRUE((*b)->Ask({"Something else", {}}, options).ok());
  (*a)->Clear();
  EXPECT_EQ((*a)->Ask({"Hello", {}}, options)->ids, first->ids);
}

TEST(EngineTest, TextOnlyWithoutTheEncoder) {
  EngineOptions options = Exact(kLlama);
  options.text_only = true;
  const auto session = OpenSession(options);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->AddImage(Stored("img_40x30")).status().code(), StatusCode::kUnsupported);
  AskOptions ask;
  ask.max_tokens = 2;
  EXPECT_TRUE(session->Ask({"Hello", {}}, ask).ok());
}

TEST(EngineTest, FewerSlicesOnRequest) {
  EngineOptions options = Exact(kLlama);
  options.max_slices = 1;
  const auto session = OpenSession(options);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->AddImage(Stored("img_900x300")).ok());
  EXPECT_EQ(session->picture_stats(0).views, 1);
}

TEST(EngineTest, RefusesWhatCannotWork) {
  const auto refusal = [](auto change) {
    EngineOptions options = Exact(kLlama);
    change(options);
    const auto engine = Engine::Open(options);
    EXPECT_FALSE(engine.ok());
    return engine.ok() ? std::string() : engine.status().message();
  };
  EXPECT_THAT(refusal([](auto& o) { o.model = "/nowhere/llm.gguf"; }), HasSubstr("/nowhere"));
  EXPECT_THAT(refusal([](auto& o) { o.context = 1 << 20; }), HasSubstr("4096"));
  EXPECT_THAT(refusal([](auto& o) { o.context = -1; }), HasSubstr("context"));
  EXPECT_THAT(refusal([](auto& o) { o.threads = -3; }), HasSubstr("threads"));
  EXPECT_THAT(refusal([](auto& o) { o.target = "abacus"; }), HasSubstr("abacus"));
  EXPECT_THAT(refusal([](auto& o) { o.cache_type = DType::kQ4_0; }), HasSubstr("Q8_0"));
  EXPECT_THAT(refusal([](auto& o) { o.max_slices = 0; }), HasSubstr("slices"));
  EXPECT_THAT(refusal([](auto& o) { o.positions = PositionRule::kInterpolated; }),
              HasSubstr("interpolated"));
}

}  // namespace
}  // namespace mcv
