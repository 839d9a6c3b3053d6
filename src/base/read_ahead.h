// Brings parts of mapped files near before they are needed: into the system's file cache, beside
// other work (a disk then reads in long pieces and in order, instead of a few pages at every
// fault), and from there into this process.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

#include "base/thread_pool.h"

namespace mcv {

// Owns one thread, which ends when everything has been asked for. Hints only: nothing becomes
// resident in this process, and what fails, the start of the thread included, is read when it is
// touched.
class ReadAhead {
 public:
  // The ranges must stay mapped as long as this object lives. In the order given.
  explicit ReadAhead(std::vector<std::span<const std::byte>> ranges);
  // Stops after the piece in hand.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Returns when every range has been asked for.
  void Wait();

 private:
  void Run() const;

  std::vector<std::span<const std::byte>> ranges_;
  std::vector<std::span<const std::byte>> pieces_;  // of the ranges, as they are asked for
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Makes what is in the file cache of these ranges resident, by all threads of the pool: each page
// costs the system less that way than when it is first touched.
void MapCached(std::span<const std::span<const std::byte>> ranges, ThreadPool& pool);

}  // namespace mcv
