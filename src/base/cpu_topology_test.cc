#include "base/cpu_topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/system_files.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CpuTopologyTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const fs::path file = root_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void Cpu(int id, const std::string& siblings, const std::string& cache, int capacity = 0) {
    const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(id) + "/";
    Write(folder + "topology/thread_siblings_list", siblings + "\n");
    Write(folder + "cache/index0/level", "1\n");
    Write(folder + "cache/index0/shared_cpu_list", siblings + "\n");
    Write(folder + "cache/index1/level", "3\n");
    Write(folder + "cache/index1/shared_cpu_list", cache + "\n");
    if (capacity > 0) Write(folder + "cpu_capacity", std::to_string(capacity) + "\n");
  }
  CpuTopology Read(const std::vector<int>& allowed) const {
    return ReadCpuTopology(root_.string(), allowed);
  }
  TestFolder root_{"cpu_topology_test"};
};

TEST(CpuList, RangesAndRubbish) {
  EXPECT_THAT(ParseCpuList("0-3,8,10-11\n"), ElementsAre(0, 1, 2, 3, 8, 10, 11));
  EXPECT_THAT(ParseCpuList("5,5,4-5"), ElementsAre(4, 5));
  EXPECT_THAT(ParseCpuList("1,x,3"), ElementsAre(1));
  EXPECT_THAT(ParseCpuList("3-1"), IsEmpty());
  EXPECT_THAT(ParseCpuList("0-99999999999"), IsEmpty());
  EXPECT_THAT(ParseCpuList("-2"), IsEmpty());
  EXPECT_THAT(ParseCpuList(""), IsEmpty());
}

// Four cores of two threads under two caches, numbered as Intel does: 0-3, then their siblings.
TEST_F(CpuTopologyTest, SiblingsShareACore) {
  Write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags : x\n");
  for (int cpu = 0; cpu < 8; ++cpu) {
    const int core = cpu % 4;
    Cpu(cpu, std::to_string(core) + "," + std::to_string(core + 4),
        core < 2 ? "0-1,4-5" : "2-3,6-7");
  }
  const CpuTopology all = Read({0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(all.model, "Some CPU @ 2 GHz");
  EXPECT_EQ(all.num_cores(), 4);
  EXPECT_EQ(all.num_caches(), 2);
  EXPECT_EQ(DefaultThreadCount(all), 4);
  EXPECT_THAT(all.CoresFirst(), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(all.SpreadOverCaches(), ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  EXPECT_EQ(all.Describe(), "cpus 0-7, 4 cores, 2 caches");
  // Only what the process may use counts.
  const CpuTopology some = Read({1, 3, 5, 7});
  EXPECT_EQ(DefaultThreadCount(some), 2);
  EXPECT_THAT(some.CoresFirst(), ElementsAre(1, 3, 5, 7));
  const CpuTopology one_core = Read({2, 6});
  EXPECT_EQ(one_core.num_cores(), 1);
  EXPECT_EQ(DefaultThreadCount(one_core), 2);
}

TEST_F(CpuTopologyTest, BigCoresFirstAndLittleOnesLeftOut) {
  for (int cpu = 0; cpu < 4; ++cpu) Cpu(cpu, std::to_string(cpu), "0-5", 300);
  for (int cpu = 4; cpu < 6; ++cpu) Cpu(cpu, std::to_string(cpu), "0-5", 1024);
  const CpuTopology topology = Read({0, 1, 2, 3, 4, 5});
  EXPECT_EQ(DefaultThreadCount(topology), 2);
  EXPECT_THAT(topology.CoresFirst(), ElementsAre(4, 5, 0, 1, 2, 3));
  EXPECT_FALSE(topology.IsBig(topology.cpus[0]));
}

TEST_F(CpuTopologyTest, FrequenciesWhereNoCapacityIsTold) {
  for (int cpu = 0; cpu < 4; ++cpu) {
    Cpu(cpu, std::to_string(cpu), "0-3");
    Write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cpufreq/cpuinfo_max_freq",
          cpu < 2 ? "5200000\n" : "4000000\n");
  }
  const CpuTopology topology = Read({0, 1, 2, 3});
  EXPECT_EQ(topology.cpus[0].capacity, 5200);
  EXPECT_EQ(DefaultThreadCount(topology), 4);  // slower, but not by half
}

TEST_F(CpuTopologyTest, HolesInTheNumbers) {
  for (const int cpu : {2, 7, 40}) Cpu(cpu, std::to_string(cpu), "2,7,40");
  const CpuTopology topology = Read({2, 7, 40});
  EXPECT_EQ(topology.num_cores(), 3);
  EXPECT_EQ(topology.Describe(), "cpus 2,7,40, 3 cores, 1 cache");
  EXPECT_EQ(DefaultThreadCount(topology), 3);
}

TEST_F(CpuTopologyTest, TheTightestQuotaHolds) {
  std::vector<int> allowed;
  for (int cpu = 0; cpu < 64; ++cpu) allowed.push_back(cpu);
  Write("proc/self/cgroup", "0::/a/b\n");
  Write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  Write("sys/fs/cgroup/cpu.max", "800000 100000\n");
  CpuTopology topology = Read(allowed);
  EXPECT_EQ(topology.quota, 2.5);
  EXPECT_EQ(DefaultThreadCount(topology), 2);
  EXPECT_EQ(topology.Describe(), "cpus 0-63, 64 cores, 1 cache, quota 2.50");
  Write("sys/fs/cgroup/a/cpu.max", "20000 100000\n");
  EXPECT_EQ(DefaultThreadCount(Read(allowed)), 1);
  for (const char* rubbish : {"", "0 100000", "5", "5 0", "many 7", "max"}) {
    Write("sys/fs/cgroup/a/cpu.max", rubbish);
    EXPECT_EQ(DefaultThreadCount(Read(allowed)), 8) << rubbish;
  }
}

TEST_F(CpuTopologyTest, SystemsThatTellNothing) {
  const CpuTopology topology = Read({0, 1, 2});
  EXPECT_EQ(topology.model, "");
  EXPECT_EQ(topology.num_cores(), 3);
  EXPECT_EQ(topology.num_caches(), 1);
  EXPECT_EQ(topology.quota, std::nullopt);
  EXPECT_EQ(DefaultThreadCount(topology), 3);
  EXPECT_EQ(DefaultThreadCount(Read({})), 1);
}

TEST(CpuTopology, ThisMachineHasSome) {
  EXPECT_GE(DefaultThreadCount(), 1);
  EXPECT_LE(DefaultThreadCount(), static_cast<int>(ReadCpuTopology().cpus.size()));
}

TEST_F(CpuTopologyTest, QuotasOfVersion1CountToo) {
  Write("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n3:cpuset:/docker/abc\n");
  const auto quota = [&] { return ReadCpuTopology(root_.string(), std::vector<int>{0, 1}).quota; };
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n");
  EXPECT_EQ(quota(), 1.5);
  Write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "50000\n");
  Write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 0.5);
}

}  // namespace
}  // namespace mcv
