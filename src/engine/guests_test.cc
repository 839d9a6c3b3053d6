// Sessions of one engine in threads of their own, on a real (tiny) model: what each is told is what
// he would be told alone, to the last bit. Built with the thread sanitizer too.
#include <gtest/gtest.h>

#include <thread>

#include "base/random.h"
#include "engine/engine.h"
#include "engine/pictures/picture_cache.h"
#include "engine/session.h"

namespace mcv {
namespace {

constexpr int kGuests = 3;

Image Noise(int side, uint64_t seed) {
  RandomStream random(seed);
  Image image{side, side, std::vector<uint8_t>(static_cast<size_t>(side * side * 3))};
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(random.Below(256));
  return image;
}

std::shared_ptr<const Engine> OpenTiny(std::shared_ptr<PictureCache> cache) {
  EngineOptions options;
  options.model = MCV_TESTDATA "/goldens/models/v25_tiny/gguf/llm-Q4_K_M.gguf";
  options.mmproj = MCV_TESTDATA "/goldens/models/v25_tiny/gguf/mmproj-f16.gguf";
  options.threads = 2;
  options.max_slices = 2;
  options.picture_cache = std::move(cache);
  auto engine = Engine::Open(options);
  EXPECT_TRUE(engine.ok()) << engine.status().ToString();
  return engine.ok() ? *engine : nullptr;
}

// Two turns about two pictures, one of which all guests share.
std::vector<Answer> Converse(const Engine& engine, int guest) {
  std::vector<Answer> answers;
  auto session = engine.NewSession();
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  if (!session.ok()) return answers;
  for (const uint64_t seed : {uint64_t{100}, static_cast<uint64_t>(guest)}) {
    const auto picture = (*session)->AddImage(Noise(60, seed));
    EXPECT_TRUE(picture.ok()) << picture.status().ToString();
    if (!picture.ok()) return answers;
    AskOptions options;
    options.max_tokens = 12;
    options.sampling.temperature = guest == 1 ? 0.8f : 0.0f;
    options.sampling.seed = 7;
    options.sampling.num_beams = guest == 2 ? 3 : 1;
    if (guest == 2) options.sampling.temperature = 0.0f;
    const std::string text = "What is in picture " + std::to_string(guest) + "?";
    auto answer = (*session)->Ask({text, {*picture}}, options);
    EXPECT_TRUE(answer.ok()) << answer.status().ToString();
    if (!answer.ok()) return answers;
    answers.push_back(*std::move(answer));
  }
  return answers;
}

TEST(GuestsTest, AnswersDoNotDependOnWhoElseAsks) {
  std::vector<std::vector<Answer>> alone, together(kGuests);
  for (int guest = 0; guest < kGuests; ++guest) {
    alone.push_back(Converse(*OpenTiny(nullptr), guest));
  }
  const auto cache = std::make_shared<PictureCache>(PictureCacheOptions{});
  const auto engine = OpenTiny(cache);
  std::vector<std::thread> threads;
  for (int guest = 0; guest < kGuests; ++guest) {
    threads.emplace_back(
        [&, guest] { together[static_cast<size_t>(guest)] = Converse(*engine, guest); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t guest = 0; guest < kGuests; ++guest) {
    ASSERT_EQ(together[guest].size(), alone[guest].size()) << guest;
    for (size_t turn = 0; turn < alone[guest].size(); ++turn) {
      EXPECT_EQ(together[guest][turn].ids, alone[guest][turn].ids) << guest << " turn " << turn;
      EXPECT_EQ(together[guest][turn].text, alone[guest][turn].text);
    }
  }
}

// One is cancelled in the middle of everything; the others never notice.
TEST(GuestsTest, WhoIsCancelledLeavesTheOthersAlone) {
  const auto engine = OpenTiny(nullptr);
  std::atomic<bool> cancel = false;
  std::thread leaver([&] {
    auto session = engine->NewSession();
    ASSERT_TRUE(session.ok());
    AskOptions options;
    options.cancel = &cancel;
    options.max_tokens = 100'000;
    const auto answer = (*session)->Ask({"Go on and on", {}}, options);
    if (!answer.ok()) return;  // stopped before its first token
    EXPECT_NE(answer->reason, StopReason::kMaxTokens);
  });
  const std::vector<Answer> answers = Converse(*engine, 0);
  cancel = true;
  leaver.join();
  EXPECT_EQ(answers.size(), 2u);
}

}  // namespace
}  // namespace mcv
