// Several guests of one scheduler, with scripted models: nobody waits for another's end, a fault is
// told to whom it belongs, and nothing is taken from under somebody's feet.
#include "engine/scheduling/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <thread>

#include "engine/fake_model.h"

namespace mcv {
namespace {

using ::testing::HasSubstr;

constexpr int kVocab = 16;
const std::vector<int32_t> kStop = {3};

// Says the last id of its prompt, again and again.
std::vector<float> Echo(const std::vector<int32_t>& history) {
  std::vector<float> logits(kVocab, 0.0f);
  logits[static_cast<size_t>(history.back())] = 1.0f;
  return logits;
}

// Throws as a real model's buffers may.
class FaultyModel final : public TextModel {
 public:
  int vocab() const override { return kVocab; }
  int width() const override { return 4; }
  int64_t capacity() const override { return 100; }
  int64_t batch_tokens() const override { return 8; }
  std::unique_ptr<TextSequence> NewSequence() override { return std::make_unique<FakeSequence>(); }
  Status Step(std::span<const TextRun>, const StepOptions&, MatView) override {
    throw std::bad_alloc();
  }
};

class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest() {
    auto model = std::make_unique<FakeTextModel>(kVocab, 1 << 20, Echo);
    model_ = model.get();
    model_->set_batch_tokens(4);
    ComputeParts parts;
    parts.text = std::move(model);
    parts.encoder = std::make_unique<FakeViewEncoder>(2);
    parts.before_encoding = [this](bool text_in_use) { text_in_use_ = text_in_use; };
    parts.after_encoding = [this] { ++released_; };
    scheduler_ = std::make_unique<Scheduler>(std::move(parts));
  }

  // A guest with a sequence of his own.
  struct Guest {
    std::unique_ptr<TextSequence> sequence;
    std::vector<int32_t> prompt;
    AnswerRequest request;
    double seconds = 0.0;
  };
  std::unique_ptr<Guest> MakeGuest(std::vector<int32_t> prompt, int64_t max_tokens) {
    auto guest = std::make_unique<Guest>();
    guest->sequence = scheduler_->NewSequence();
    guest->prompt = std::move(prompt);
    guest->request.sequence = guest->sequence.get();
    guest->request.prompt = {guest->prompt, {}};
    guest->request.generate.max_tokens = max_tokens;
    guest->request.generate.stop_ids = kStop;
    return guest;
  }
  Result<Generated> Answer(Guest& guest) {
    return scheduler_->Answer(guest.request, &guest.seconds);
  }

  // Writes on and on in a thread of his own until he is told that it is enough. Returns when his
  // first token is there.
  class Talker {
   public:
    Talker(SchedulerTest& test, std::vector<int32_t> prompt)
        : guest_(test.MakeGuest(std::move(prompt), 1 << 19)) {
      std::promise<void> begun;
      bool is_first = true;
      guest_->request.generate.on_token = [&, is_first](int32_t) mutable {
        if (is_first) begun.set_value();
        is_first = false;
        return !enough_;
      };
      answer_ = std::async(std::launch::async, [&test, this] { return test.Answer(*guest_); });
      begun.get_future().wait();
    }
    Result<Generated> Enough() {
      enough_ = true;
      return answer_.get();
    }

   private:
    std::unique_ptr<Guest> guest_;
    std::atomic<bool> enough_ = false;
    std::future<Result<Generated>> answer_;
  };

  FakeTextModel* model_ = nullptr;
  std::unique_ptr<Scheduler> scheduler_;
  std::atomic<bool> text_in_use_ = false;
  std::atomic<int> released_ = 0;
};

TEST_F(SchedulerTest, OneGuestIsThePlainLoop) {
  const auto guest = MakeGuest({1, 2, 5, 6, 7, 8}, 3);
  std::vector<int64_t> read;
  guest->request.on_prompt = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 6);
    read.push_back(done);
  };
  const auto answer = Answer(*guest);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->ids, std::vector<int32_t>(3, 8));
  EXPECT_EQ(read, (std::vector<int64_t>{4, 6}));
  EXPECT_EQ(model_->steps(), 4);  // two for the prompt, two tokens; the last is not read
  EXPECT_EQ(guest->sequence->length(), 8);
}

TEST_F(SchedulerTest, NobodyWaitsForAnothersEnd) {
  Talker talker(*this, {1, 9});
  for (const int32_t id : {5, 6}) {
    const auto guest = MakeGuest({1, 2, 2, 2, 2, 2, id}, 4);
    const auto answer = Answer(*guest);
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    EXPECT_EQ(answer->ids, std::vector<int32_t>(4, id));
  }
  const auto long_answer = talker.Enough();
  ASSERT_TRUE(long_answer.ok());
  EXPECT_EQ(long_answer->reason, StopReason::kStopString);
  for (const int32_t id : long_answer->ids) ASSERT_EQ(id, 9);
  EXPECT_EQ(model_->most_runs(), 2);
}

TEST_F(SchedulerTest, BeamsBesideOthers) {
  Talker talker(*this, {1, 9});
  const auto guest = MakeGuest({1, 2, 5}, 3);
  guest->request.generate.sampling.num_beams = 3;
  const auto answer = Answer(*guest);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->ids, std::vector<int32_t>(3, 5));
  EXPECT_EQ(guest->sequence->length(), 3);
  EXPECT_TRUE(talker.Enough().ok());
  EXPECT_EQ(model_->most_runs(), 4);
}

// As many as a step takes: a prompt waits for its place, and nobody for ever.
TEST_F(SchedulerTest, AsManyBeamsAsAStepTakes) {
  const auto many = MakeGuest({1, 2, 5}, 3);
  many->request.generate.sampling.num_beams = kMostSequences;
  auto answer = std::async(std::launch::async, [&] { return Answer(*many); });
  const auto other = Answer(*MakeGuest({1, 2, 6}, 2));
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->ids, std::vector<int32_t>(2, 6));
  const auto beams = answer.get();
  ASSERT_TRUE(beams.ok());
  EXPECT_EQ(beams->ids, std::vector<int32_t>(3, 5));
}

TEST_F(SchedulerTest, AFaultIsToldToWhomItBelongs) {
  Talker talker(*this, {1, 9});
  const auto guest = MakeGuest(std::vector<int32_t>((1 << 20) + 1, 2), 3);
  const auto answer = Answer(*guest);
  EXPECT_EQ(answer.status().code(), StatusCode::kContextFull);
  EXPECT_EQ(guest->sequence->length(), 0);
  EXPECT_TRUE(talker.Enough().ok());
}

TEST_F(SchedulerTest, CancellingAPromptLeavesTheOthers) {
  Talker talker(*this, {1, 9});
  std::atomic<bool> cancel = false;
  // Longer than it can be read before its owner is told of the first piece.
  const auto guest = MakeGuest(std::vector<int32_t>(400'000, 2), 3);
  guest->request.generate.cancel = &cancel;
  guest->request.on_prompt = [&](int64_t, int64_t) { cancel = true; };
  EXPECT_EQ(Answer(*guest).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(guest->sequence->length(), 0);
  EXPECT_TRUE(talker.Enough().ok());
}

TEST_F(SchedulerTest, PicturesAreEncodedBetweenStepsAndTheEncoderStaysMeanwhile) {
  std::vector<float> rows(2 * 4);
  {
    Talker talker(*this, {1, 9});
    Scheduler::Picture picture(*scheduler_, nullptr);
    for (int view = 0; view < 2; ++view) {
      ASSERT_TRUE(picture.Encode(View(), ViewPositions(), nullptr, {rows.data(), 2, 4}).ok());
      EXPECT_EQ(rows[0], static_cast<float>(view));
    }
    EXPECT_TRUE(text_in_use_);
    EXPECT_EQ(released_, 0);
    EXPECT_TRUE(talker.Enough().ok());
  }
  EXPECT_TRUE(Answer(*MakeGuest({1, 2}, 1)).ok());
  EXPECT_EQ(released_, 1);
  Scheduler::Picture picture(*scheduler_, nullptr);
  ASSERT_TRUE(picture.Encode(View(), ViewPositions(), nullptr, {rows.data(), 2, 4}).ok());
  EXPECT_FALSE(text_in_use_);
}

TEST(SchedulerFaultTest, NothingIsThrownPastIt) {
  ComputeParts parts;
  parts.text = std::make_unique<FaultyModel>();
  Scheduler scheduler(std::move(parts));
  const auto sequence = scheduler.NewSequence();
  const std::vector<int32_t> prompt = {1, 2};
  AnswerRequest request;
  request.sequence = sequence.get();
  request.prompt = {prompt, {}};
  double seconds = 0.0;
  const auto answer = scheduler.Answer(request, &seconds);
  EXPECT_EQ(answer.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(answer.status().message(), HasSubstr("no memory"));
}

}  // namespace
}  // namespace mcv
