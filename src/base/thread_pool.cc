#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <system_error>

#include "base/clock.h"
#include "base/refused_threads.h"
#include "base/status.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mcv {
namespace {

// The region word holds the number of active workers in its low bits and the generation above, so
// that a worker reads both at once. It wraps after two million regions, which harms nobody: who is
// active takes part in each, and for who is not the low bits of the next that counts are others.
constexpr uint32_t kActiveBits = 11;
constexpr uint32_t kMaxWorkers = (1u << kActiveBits) - 1;

std::atomic<int> refused_workers{0};

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A PAUSE takes 5 to 140 cycles, so the clock decides; it is read every 16th time.
bool SpinWhileEqual(const std::atomic<uint32_t>& value, uint32_t old,
                    std::chrono::microseconds spin) {
  if (value.load(std::memory_order_acquire) != old) return true;
  if (spin.count() <= 0) return false;
  const auto end = Clock::now() + spin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (value.load(std::memory_order_acquire) != old) return true;
      Pause();
    }
  } while (Clock::now() < end);
  return false;
}

std::vector<int> Affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (pthread_getaffinity_np(pthread_self(), sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

bool SetAffinity(pthread_t thread, std::span<const int> cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) {
    if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
    CPU_SET(cpu, &set);
  }
  return !cpus.empty() && pthread_setaffinity_np(thread, sizeof set, &set) == 0;
}

}  // namespace

// The count of sleepers goes up before the value is looked at for the last time, and the value
// changes before the count is looked at: one of the two sides sees the other (all four sequentially
// consistent), so no wake-up is lost and none is sent in vain.
void ThreadPool::Signal::Wait(uint32_t old, std::chrono::microseconds spin) {
  if (SpinWhileEqual(value, old, spin)) return;
  sleepers.fetch_add(1);
  while (value.load() == old) value.wait(old);
  sleepers.fetch_sub(1);
}

void ThreadPool::Signal::Wake() {
  if (sleepers.load() > 0) value.notify_all();
}

ThreadPool::ThreadPool(int threads, std::chrono::microseconds spin)
    : home_(Affinity()), spin_(spin), active_(threads) {
  MCV_CHECK(threads >= 1 && static_cast<uint32_t>(threads) <= kMaxWorkers);
  if (!home_.empty() && static_cast<size_t>(threads) > home_.size()) spin_ = {};
  wanted_.value.store(static_cast<uint32_t>(threads));
  workers_.reserve(static_cast<size_t>(threads - 1));
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { WorkerLoop(i); });
  } catch (const std::system_error&) {
    // A limit on processes, or no memory for a stack: the pool makes do with what there is.
    refused_workers.fetch_add(threads - capacity());
    SetActive(capacity());
  }
}

int RefusedThreads() { return refused_workers.load(); }

ThreadPool::~ThreadPool() {
  region_.value.store((generation_ + 1) << kActiveBits);
  region_.value.notify_all();
  wanted_.value.store(UINT32_MAX);
  wanted_.value.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::SetActive(int count) {
  active_ = std::clamp(count, 1, capacity());
  wanted_.value.store(static_cast<uint32_t>(active_));
  wanted_.Wake();
}

int ThreadPool::Place(std::span<const int> cpus) {
  int refused = 0;
  for (size_t i = 0; i < workers_.size(); ++i) {
    const std::span<const int> place =
        cpus.empty() ? std::span<const int>(home_) : cpus.subspan((i + 1) % cpus.size(), 1);
    if (!SetAffinity(workers_[i].native_handle(), place)) ++refused;
  }
  return refused;
}

void ThreadPool::WorkerLoop(int worker) {
  const auto own = static_cast<uint32_t>(worker);
  uint32_t seen = 0;
  while (true) {
    for (uint32_t wanted; (wanted = wanted_.value.load()) <= own;) wanted_.Wait(wanted, {});
    region_.Wait(seen, spin_);
    seen = region_.value.load(std::memory_order_acquire);
    if ((seen & kMaxWorkers) == 0) return;
    if (own >= (seen & kMaxWorkers)) continue;  // a region of fewer
    (*body_)(worker);
    if (running_.value.fetch_sub(1) == 1) running_.Wake();
  }
}

void ThreadPool::Start() {
  ++generation_;
  region_.value.store(generation_ << kActiveBits | static_cast<uint32_t>(active_));
  region_.Wake();
}

void ThreadPool::Run(const std::function<void(int)>& body) {
  if (active_ == 1) {
    body(0);
    return;
  }
  body_ = &body;
  running_.value.store(static_cast<uint32_t>(active_ - 1), std::memory_order_relaxed);
  Start();
  body(0);
  for (uint32_t left; (left = running_.value.load(std::memory_order_acquire)) != 0;) {
    running_.Wait(left, spin_);
  }
}

void ThreadPool::For(int64_t count, int64_t grain,
                     const std::function<void(int64_t, int64_t, int)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (active_ == 1 || count <= grain) {
    for (int64_t begin = 0; begin < count; begin += grain) {
      body(begin, std::min(count, begin + grain), 0);
    }
    return;
  }
  std::atomic<int64_t> next{0};
  Run([&](int worker) {
    for (int64_t begin; (begin = next.fetch_add(grain, std::memory_order_relaxed)) < count;) {
      body(begin, std::min(count, begin + grain), worker);
    }
  });
}

CallerPlace::CallerPlace(int cpu)
    : before_(Affinity()), placed_(SetAffinity(pthread_self(), std::span<const int>(&cpu, 1))) {}

CallerPlace::~CallerPlace() {
  if (placed_) SetAffinity(pthread_self(), before_);
}

}  // namespace mcv
