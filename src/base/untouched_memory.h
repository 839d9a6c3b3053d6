// Memory that costs nothing until it is written: zeroed pages from the system, given one by one as
// they are touched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mcv {

// In which pieces the system hands memory out.
enum class PageSize {
  // For what is touched in many short ranges (a cache has one for every head), most of which would
  // become resident without being used.
  kSmall,
  // For what is used as a whole: pages of 2 MB where the system has them, with 512 times fewer
  // faults and entries to look up. What is smaller than one stays on small pages.
  kLarge,
};

// Owns its pages.
class UntouchedMemory {
 public:
  static constexpr int64_t kLargePage = int64_t{2} << 20;

  UntouchedMemory() = default;
  UntouchedMemory(UntouchedMemory&& other) noexcept;
  UntouchedMemory& operator=(UntouchedMemory&& other) noexcept;
  UntouchedMemory(const UntouchedMemory&) = delete;
  UntouchedMemory& operator=(const UntouchedMemory&) = delete;
  ~UntouchedMemory();

  // Empty if the system refuses. bytes > 0. Begins where a page begins, a large one if it is large.
  static UntouchedMemory Take(int64_t bytes, PageSize pages);
  // What is resident at most when all of `bytes` have been written: whole large pages.
  static constexpr int64_t ResidentBytes(int64_t bytes, PageSize pages) {
    if (pages == PageSize::kSmall || bytes < kLargePage) return bytes;
    return (bytes + kLargePage - 1) / kLargePage * kLargePage;
  }

  // Makes small pages of a part resident with one call instead of a fault for each, where the
  // system has such a call (Linux 5.14); else they come when they are written.
  static void Touch(std::byte* data, int64_t bytes);

  bool empty() const { return data_ == nullptr; }
  std::byte* data() const { return data_; }
  int64_t size() const { return static_cast<int64_t>(size_); }  // as asked for

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t mapped_ = 0;
};

}  // namespace mcv
