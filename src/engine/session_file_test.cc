// A conversation that goes on in another process, and files that are not what they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "engine/engine.h"
#include "engine/session.h"

namespace mcv {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

const std::string kTiny = MCV_TESTDATA "/goldens/models/v25_tiny/gguf/";

Image Noise(uint64_t seed) {
  RandomStream random(seed);
  Image image{70, 50, std::vector<uint8_t>(70 * 50 * 3)};
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(random.Below(256));
  return image;
}

std::shared_ptr<const Engine> Open(const std::string& llm = "llm-Q4_K_M.gguf",
                                   int64_t context = 0) {
  EngineOptions options;
  options.model = kTiny + llm;
  options.mmproj = kTiny + "mmproj-f16.gguf";
  options.threads = 1;
  options.context = context;
  auto engine = Engine::Open(options);
  EXPECT_TRUE(engine.ok()) << engine.status().ToString();
  return engine.ok() ? *engine : nullptr;
}

Answer Ask(Session& session, const std::string& text, const std::vector<int>& pictures = {}) {
  AskOptions options;
  options.max_tokens = 9;
  const auto answer = session.Ask({text, pictures}, options);
  EXPECT_TRUE(answer.ok()) << answer.status().ToString();
  return answer.ok() ? *answer : Answer();
}

class SessionFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("session-file-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    path_ = (folder_ / "talk.session").string();
    session_ = *engine_->NewSession();
    ASSERT_TRUE(session_->SetSystem("Be brief.").ok());
    const auto picture = session_->AddImage(Noise(1));
    ASSERT_TRUE(picture.ok());
    Ask(*session_, "What is this?", {*picture});
    ASSERT_TRUE(session_->Save(path_).ok());
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Contents() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Status LoadOf(const std::string& contents) const {
    const std::string path = (folder_ / "other.session").string();
    std::ofstream(path, std::ios::binary) << contents;
    auto session = *engine_->NewSession();
    const Status status = session->Load(path);
    EXPECT_EQ(session->context_used() > 0, status.ok());
    return status;
  }

  const std::shared_ptr<const Engine> engine_ = Open();
  std::unique_ptr<Session> session_;
  fs::path folder_;
  std::string path_;
};

TEST_F(SessionFileTest, GoesOnInAnotherEngineWithoutReadingOrEncodingAgain) {
  const auto engine = Open();
  const auto later = *engine->NewSession();
  const Status loaded = later->Load(path_);
  ASSERT_TRUE(loaded.ok()) << loaded.ToString();
  EXPECT_EQ(later->turns().size(), 2u);
  EXPECT_EQ(later->context_used(), session_->context_used());
  const int64_t held = later->context_used();
  for (Session* session : {session_.get(), later.get()}) {
    EXPECT_EQ(*session->AddImage(Noise(1)), 0);  // known: not encoded
    EXPECT_EQ(session->num_images(), 1);
  }
  for (const char* text : {"And now?", "Why?"}) {
    const Answer expected = Ask(*session_, text, {0}), got = Ask(*later, text, {0});
    EXPECT_EQ(got.ids, expected.ids);
    EXPECT_EQ(got.stats.reused_tokens, expected.stats.reused_tokens);
    EXPECT_GE(got.stats.reused_tokens, held - 1);
  }
}

TEST_F(SessionFileTest, IsItsOwnersAlone) {
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(SessionFileTest, AnotherModelIsRefusedByName) {
  const auto session = *Open("llm-f16.gguf")->NewSession();
  const Status status = session->Load(path_);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("belongs to another model"));
  EXPECT_THAT(status.message(), HasSubstr(path_));
}

TEST_F(SessionFileTest, AShorterContextIsRefused) {
  const auto session = *Open("llm-Q4_K_M.gguf", 20)->NewSession();
  EXPECT_EQ(session->Load(path_).code(), StatusCode::kContextFull);
}

TEST_F(SessionFileTest, OnlyBeforeAnythingWasAsked) {
  EXPECT_EQ(session_->Load(path_).code(), StatusCode::kInvalidArgument);
}

TEST_F(SessionFileTest, DamageIsNoticed) {
  const std::string good = Contents();
  ASSERT_TRUE(LoadOf(good).ok());
  for (const size_t length : {size_t{0}, size_t{7}, size_t{40}, good.size() / 2, good.size() - 1}) {
    EXPECT_EQ(LoadOf(good.substr(0, length)).code(), StatusCode::kCorrupt) << length;
  }
  EXPECT_EQ(LoadOf(good + "x").code(), StatusCode::kCorrupt);
  for (size_t at = 8; at < good.size(); at += good.size() / 40) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    EXPECT_EQ(LoadOf(bad).code(), StatusCode::kCorrupt) << at;
  }
  std::string newer = good;
  newer[7] = '2';
  EXPECT_EQ(LoadOf(newer).code(), StatusCode::kUnsupported);
}

TEST_F(SessionFileTest, AFileThatIsNotThere) {
  const auto session = *engine_->NewSession();
  EXPECT_EQ(session->Load((folder_ / "none").string()).code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace mcv
