// Every run of the full golden values, from every file that holds its model.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "apps/parity/replay.h"

namespace mcv::parity {
namespace {

TEST(ParitySharedTest, FullGoldensHold) {
  const char* environment = std::getenv("MCV_GOLDENS");
  const std::string folder = environment != nullptr ? environment : MCV_SHARED_GOLDENS;
  if (!std::filesystem::is_directory(folder + "/expected")) {
    GTEST_SKIP() << "the full golden values are not at " << folder
                 << ": set MCV_GOLDENS to their folder to replay them";
  }
  const auto report = ReplayGoldens(folder, {});
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->ok()) << report->Table();
}

}  // namespace
}  // namespace mcv::parity
