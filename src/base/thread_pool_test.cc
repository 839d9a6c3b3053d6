#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

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

}  // namespace
}  // namespace mcv
