// A fixed pool for data-parallel loops inside one pass: workers spin briefly between the short
// regions of a layer and sleep on a futex when nothing comes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace mcv {

// One owner calls Run at a time; the caller takes part as worker 0. Not for blocking work.
class ThreadPool {
 public:
  // threads >= 1 in all, the caller included: ThreadPool(1) starts no thread.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(worker) once on every worker, 0 <= worker < size(), and returns when all are done.
  void Run(const std::function<void(int worker)>& body);

  // Splits [0, count) into chunks of at most `grain` and hands them out in order of demand:
  // body(begin, end, worker). Which worker takes a chunk is not fixed, so results must not depend
  // on it.
  void For(int64_t count, int64_t grain,
           const std::function<void(int64_t begin, int64_t end, int worker)>& body);

 private:
  void WorkerLoop(int worker);

  std::vector<std::thread> workers_;
  const std::function<void(int)>* body_ = nullptr;
  std::atomic<uint32_t> epoch_{0};    // bumped to start a region; workers wait for it
  std::atomic<uint32_t> running_{0};  // workers that have not finished the region
  std::atomic<bool> stop_{false};
};

// Threads that make sense for heavy arithmetic here: the processors this process may run on.
int DefaultThreadCount();

}  // namespace mcv
