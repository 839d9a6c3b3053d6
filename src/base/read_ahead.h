// Brings parts of mapped files into the system's file cache before they are needed, beside other
// work: a disk then reads in long pieces and in order, instead of a few pages at every fault.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

namespace mcv {

// Owns one thread, which ends when everything has been asked for. Hints only: nothing becomes
// resident in this process, and what fails is read when it is touched.
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
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace mcv
