#include "base/machine_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;

class MachineMemoryTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const fs::path file = root_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  TestFolder root_{"machine_memory_test"};
};

TEST_F(MachineMemoryTest, TheTightestGroupCounts) {
  Write("proc/meminfo", "MemTotal: 100 kB\nMemAvailable:      64 kB\n");
  Write("proc/self/cgroup", "4:memory:/old\n0::/a/b\n");
  Write("sys/fs/cgroup/a/b/memory.max", "max\n");
  Write("sys/fs/cgroup/a/memory.max", "50000\n");
  Write("sys/fs/cgroup/a/memory.current", "20000\n");
  Write("sys/fs/cgroup/memory.max", "90000\n");
  const MachineMemory memory = ReadMachineMemory(root_.string());
  EXPECT_EQ(memory.available, 65536u);
  EXPECT_EQ(memory.group_limit, 50000u);
  EXPECT_EQ(memory.group_used, 20000u);
  EXPECT_EQ(memory.Room(), 30000u);
}

TEST_F(MachineMemoryTest, AGroupThatIsOverItsLimitLeavesNothing) {
  Write("proc/self/cgroup", "0::/a\n");
  Write("sys/fs/cgroup/a/memory.max", "5\n");
  Write("sys/fs/cgroup/a/memory.current", "9\n");
  EXPECT_EQ(ReadMachineMemory(root_.string()).Room(), 0u);
}

TEST_F(MachineMemoryTest, GroupsOfVersion1CountToo) {
  Write("proc/meminfo", "MemAvailable:      64 kB\n");
  Write("proc/self/cgroup", "9:name=systemd:/x\n5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n");
  Write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
  Write("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "40000\n");
  Write("sys/fs/cgroup/memory/docker/memory.usage_in_bytes", "15000\n");
  EXPECT_EQ(ReadMachineMemory(root_.string()).Room(), 25000u);
  // In a container the group is the outermost that can be seen.
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "30000\n");
  Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "20000\n");
  EXPECT_EQ(ReadMachineMemory(root_.string()).Room(), 10000u);
  // Both kinds at once: the tighter one.
  Write("proc/self/cgroup", "5:memory:/docker/abc\n0::/a\n");
  Write("sys/fs/cgroup/a/memory.max", "7000\n");
  EXPECT_EQ(ReadMachineMemory(root_.string()).Room(), 7000u);
}

TEST_F(MachineMemoryTest, SystemsThatTellNothing) {
  EXPECT_EQ(ReadMachineMemory((root_ / "nowhere").string()).Room(), std::nullopt);
  Write("proc/meminfo", "MemAvailable: many kB\n");
  Write("proc/self/cgroup", "4:memory:/old\n");
  EXPECT_EQ(ReadMachineMemory(root_.string()).Room(), std::nullopt);
}

TEST_F(MachineMemoryTest, HugePagesWhereTheyAreAlwaysUsed) {
  Write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  EXPECT_LT(ReadMachineMemory(root_.string()).page_bytes, uint64_t{2} << 20);
  Write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
  EXPECT_EQ(ReadMachineMemory(root_.string()).page_bytes, uint64_t{2} << 20);
}

TEST(MachineMemory, ThisMachineHasSome) { EXPECT_GT(ReadMachineMemory().Room().value_or(1), 0u); }

}  // namespace
}  // namespace mcv
