#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <numeric>

#include "base/refused_threads.h"

namespace mcv {
namespace {

TEST(ThreadPool, EveryIndexOnce) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 7, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
      pool.For(count, 3, [&](int64_t begin, int64_t end, int worker) {
        ASSERT_LT(worker, threads);
        for (int64_t i = begin; i < end; ++i) hits[static_cast<size_t>(i)].fetch_add(1);
      });
      for (auto& hit : hits) EXPECT_EQ(hit.load(), 1);
    }
  }
}

TEST(ThreadPool, ManyShortRegionsAndASleepBetween) {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  for (int round = 0; round < 2000; ++round) pool.Run([&](int) { sum.fetch_add(1); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // workers are asleep by now
  pool.Run([&](int) { sum.fetch_add(1); });
  EXPECT_EQ(sum.load(), 3 * 2001);
}

TEST(ThreadPool, RegionsOfFewerWorkers) {
  for (const int spin : {0, 50}) {
    ThreadPool pool(5, std::chrono::microseconds(spin));
    for (int round = 0; round < 300; ++round) {
      const int active = 1 + (round * 7) % 5;
      pool.SetActive(active);
      ASSERT_EQ(pool.size(), active);
      for (int region = 0; region < round % 4; ++region) {
        std::vector<std::atomic<int>> hits(5);
        pool.Run([&](int worker) { hits[static_cast<size_t>(worker)].fetch_add(1); });
        for (int worker = 0; worker < 5; ++worker) {
          ASSERT_EQ(hits[static_cast<size_t>(worker)].load(), worker < active ? 1 : 0)
              << "round " << round << " worker " << worker;
        }
      }
    }
    pool.SetActive(0);
    EXPECT_EQ(pool.size(), 1);
    pool.SetActive(99);
    EXPECT_EQ(pool.size(), pool.capacity());
  }
}

TEST(ThreadPool, EndsWhileSomeAreLeftOut) {
  for (int round = 0; round < 50; ++round) {
    ThreadPool pool(4);
    pool.SetActive(1 + round % 4);
    if (round % 3 == 0) pool.Run([](int) {});
  }
}

TEST(ThreadPool, FarMoreThreadsThanProcessors) {
  ThreadPool pool(64);
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 50; ++round) {
    pool.For(1000, 1, [&](int64_t begin, int64_t, int) { sum.fetch_add(begin); });
  }
  EXPECT_EQ(sum.load(), 50 * 999 * 500);
}

#ifndef MCV_SANITIZED  // which takes address space of its own
// Exits with 0 if a pool that gets fewer threads than it wants works, and says how many are
// missing.
void TryPoolWithoutRoomForStacks() {
  std::ifstream file("/proc/self/statm");
  rlim_t pages = 0;
  file >> pages;
  const rlim_t most = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{40} << 20);
  const rlimit limit = {most, most};
  if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(1);
  constexpr int kWanted = 64;
  ThreadPool pool(kWanted);
  std::atomic<int> ran{0};
  pool.Run([&](int) { ran.fetch_add(1); });
  const bool fewer = pool.capacity() < kWanted && pool.size() == pool.capacity();
  const bool told = RefusedThreads() == kWanted - pool.capacity();
  _exit(fewer && told && ran == pool.capacity() ? 0 : 1);
}

TEST(ThreadPool, MakesDoWithFewerThreads) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(TryPoolWithoutRoomForStacks(), ::testing::ExitedWithCode(0), "");
}
#endif

TEST(ThreadPool, PlacedWorkersRunWhereTheyWerePut) {
  const std::vector<int> cpus = ReadCpuTopology().CoresFirst();
  ThreadPool pool(3);
  EXPECT_EQ(pool.Place(cpus), 0);
  std::vector<int> ran(3, -1);
  pool.Run([&](int worker) { ran[static_cast<size_t>(worker)] = sched_getcpu(); });
  for (size_t worker = 1; worker < 3; ++worker) EXPECT_EQ(ran[worker], cpus[worker % cpus.size()]);
  EXPECT_EQ(pool.Place({}), 0);
}

TEST(ThreadPool, PlacesThatCannotBeAreToldAndIgnored) {
  ThreadPool pool(3);
  for (const int nowhere : {-1, 1023, 5000}) {
    const std::vector<int> cpus = {nowhere};
    EXPECT_EQ(pool.Place(cpus), 2) << nowhere;
    EXPECT_FALSE(CallerPlace(nowhere).placed());
  }
  std::atomic<int> sum{0};
  pool.Run([&](int) { sum.fetch_add(1); });
  EXPECT_EQ(sum.load(), 3);
}

TEST(CallerPlace, GoesBack) {
  const size_t before = ReadCpuTopology().cpus.size();
  {
    const CallerPlace place(ReadCpuTopology().cpus.back().id);
    EXPECT_TRUE(place.placed());
    EXPECT_EQ(ReadCpuTopology().cpus.size(), 1u);
  }
  EXPECT_EQ(ReadCpuTopology().cpus.size(), before);
}

}  // namespace
}  // namespace mcv
