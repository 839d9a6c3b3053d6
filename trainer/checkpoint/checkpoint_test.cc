// Which checkpoints stay, whatever happens meanwhile.
#include "trainer/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/support/test_folder.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public testing::Test {
 protected:
  Status Save(int64_t step, int keep = 2) {
    RunState state;
    state.step = step;
    state.stage = "all";
    state.config_json = "{}";
    CheckpointTensors tensors;
    tensors.parameters = {{"llm.x", torch::full({2, 2}, static_cast<float>(step))}};
    return SaveCheckpoint(folder_.string(), state, tensors, keep).status();
  }
  bool Has(const std::string& name) const {
    return fs::exists(folder_ / ("checkpoints/" + name + "/state.json"));
  }
  std::string Newest() const {
    const auto newest = NewestCheckpoint(folder_.string());
    return newest.ok() ? fs::path(newest.value()).filename().string() : "";
  }

  TestFolder folder_{"checkpoint_test"};
};

TEST_F(CheckpointTest, KeepsTheNewestOnes) {
  EXPECT_EQ(Newest(), "");
  for (const int64_t step : {1, 2, 3}) ASSERT_TRUE(Save(step).ok());
  EXPECT_FALSE(Has("step-00000001"));
  EXPECT_TRUE(Has("step-00000002") && Has("step-00000003"));
  EXPECT_EQ(Newest(), "step-00000003");
}

// A run that began anew in a folder with later checkpoints must keep its own.
TEST_F(CheckpointTest, OnesOfHigherStepsStayAndDoNotCount) {
  for (const int64_t step : {500, 600}) ASSERT_TRUE(Save(step).ok());
  for (const int64_t step : {1, 2, 3}) ASSERT_TRUE(Save(step).ok());
  EXPECT_TRUE(Has("step-00000500") && Has("step-00000600"));
  EXPECT_FALSE(Has("step-00000001"));
  EXPECT_TRUE(Has("step-00000002") && Has("step-00000003"));
}

TEST_F(CheckpointTest, StepsAreNumbersNotTexts) {
  ASSERT_TRUE(Save(99999999).ok());
  ASSERT_TRUE(Save(100000000).ok());
  EXPECT_EQ(Newest(), "step-100000000");
}

// A reader beside the run finds one of the step at every moment.
TEST_F(CheckpointTest, ReplacingOneLeavesNoMomentWithoutIt) {
  ASSERT_TRUE(Save(6).ok());
  std::atomic<bool> done{false};
  std::atomic<int> missing{0};
  std::thread reader([&] {
    while (!done) {
      // The first is looked at again: it may have been put in place meanwhile.
      const bool there =
          Has("step-00000006") || Has("step-00000006.replaced") || Has("step-00000006");
      missing += there ? 0 : 1;
    }
  });
  for (int round = 0; round < 300; ++round) ASSERT_TRUE(Save(6).ok());
  done = true;
  reader.join();
  EXPECT_EQ(missing, 0);
  EXPECT_FALSE(Has("step-00000006.replaced"));
}

// Killed between the two renames, or behind them.
TEST_F(CheckpointTest, AReplacedOneCountsUntilItsSuccessorIsThere) {
  ASSERT_TRUE(Save(5).ok());
  ASSERT_TRUE(Save(6).ok());
  fs::rename(folder_ / "checkpoints/step-00000006", folder_ / "checkpoints/step-00000006.replaced");
  EXPECT_EQ(Newest(), "step-00000006.replaced");
  ASSERT_TRUE(Save(6).ok());
  EXPECT_EQ(Newest(), "step-00000006");
  fs::copy(folder_ / "checkpoints/step-00000006", folder_ / "checkpoints/step-00000006.replaced",
           fs::copy_options::recursive);
  EXPECT_EQ(Newest(), "step-00000006");
  ASSERT_TRUE(Save(6).ok());
  EXPECT_TRUE(Has("step-00000005") && Has("step-00000006"));
  EXPECT_FALSE(Has("step-00000006.replaced"));
}

}  // namespace
}  // namespace mcv::trainer
