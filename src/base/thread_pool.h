// A fixed pool for data-parallel loops inside one pass: workers spin briefly between the short
// regions of a layer and sleep in the kernel when nothing comes. Starting and ending a region asks
// nothing of the kernel while nobody sleeps.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include "base/cpu_topology.h"  // DefaultThreadCount

namespace mcv {

// How long a thread polls before it sleeps. The gap between two regions of a layer is shorter than
// this, one between tokens or requests is longer.
inline constexpr std::chrono::microseconds kDefaultSpin{50};

// One owner calls Run at a time; the caller takes part as worker 0. Not for blocking work.
class ThreadPool {
 public:
  // threads >= 1 in all, the caller included: ThreadPool(1) starts no thread. A pool with more
  // threads than this process may use processors never spins: it would take the time of a thread
  // that has work.
  explicit ThreadPool(int threads, std::chrono::microseconds spin = kDefaultSpin);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Workers that take part in a region.
  int size() const { return active_; }
  // Workers that there are.
  int capacity() const { return static_cast<int>(workers_.size()) + 1; }
  // Regions from now on run on the first `count` workers (cut to 1..capacity()); the others sleep.
  // By the owner, between regions.
  void SetActive(int count);

  // Puts worker i >= 1 on processor cpus[i % size]; an empty list lets them go where the creator of
  // the pool may. The caller's thread is left alone (CallerPlace). Returns how many workers the
  // system refused to place: they stay where they were, and everything works as before.
  int Place(std::span<const int> cpus);

  // Calls body(worker) once on every active worker, 0 <= worker < size(), and returns when all are
  // done.
  void Run(const std::function<void(int worker)>& body);

  // Splits [0, count) into chunks of at most `grain` and hands them out in order of demand:
  // body(begin, end, worker). Which worker takes a chunk is not fixed, so results must not depend
  // on it.
  void For(int64_t count, int64_t grain,
           const std::function<void(int64_t begin, int64_t end, int worker)>& body);

 private:
  // A word that one side waits for and the other changes.
  struct alignas(64) Signal {
    std::atomic<uint32_t> value{0};
    std::atomic<uint32_t> sleepers{0};
    void Wait(uint32_t old, std::chrono::microseconds spin);  // until value != old
    void Wake();                                              // after a change
  };

  void WorkerLoop(int worker);
  void Start();

  std::vector<std::thread> workers_;
  std::vector<int> home_;  // processors that the creator may use
  std::chrono::microseconds spin_;
  int active_ = 1;
  const std::function<void(int)>* body_ = nullptr;
  uint32_t generation_ = 0;
  Signal
      region_;  // generation and workers of the newest region (0: the end); active ones wait here
  Signal running_;  // workers that have not finished it; the owner waits here
  Signal wanted_;   // active_, for those that are not: they wait here
};

// The calling thread on one processor, and back where it was allowed before.
class CallerPlace {
 public:
  CallerPlace() = default;
  explicit CallerPlace(int cpu);
  ~CallerPlace();
  CallerPlace(const CallerPlace&) = delete;
  CallerPlace& operator=(const CallerPlace&) = delete;
  bool placed() const { return placed_; }

 private:
  std::vector<int> before_;
  bool placed_ = false;
};

}  // namespace mcv
