// Who computes now: threads take turns in the order in which they asked.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace mcv {

// A mutex that nobody overtakes: with an ordinary one a thread that gives it back and asks again at
// once mostly gets it, and one that encodes a picture would wait for the whole of another's answer.
class TurnQueue {
 public:
  void lock() {
    std::unique_lock guard(mutex_);
    const uint64_t own = last_++;
    changed_.wait(guard, [&] { return now_ == own; });
  }
  void unlock() {
    {
      const std::lock_guard guard(mutex_);
      ++now_;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t last_ = 0;
  uint64_t now_ = 0;
};

}  // namespace mcv
