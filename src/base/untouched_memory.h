// Memory that costs nothing until it is written: zeroed pages from the system, given one by one as
// they are touched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mcv {

// Owns its pages. Asks for small ones: a cache touches the beginning of many long ranges (one for
// every head), and a machine that hands out 2 MB pages unasked would make all of them resident.
class UntouchedMemory {
 public:
  UntouchedMemory() = default;
  UntouchedMemory(UntouchedMemory&& other) noexcept;
  UntouchedMemory& operator=(UntouchedMemory&& other) noexcept;
  UntouchedMemory(const UntouchedMemory&) = delete;
  UntouchedMemory& operator=(const UntouchedMemory&) = delete;
  ~UntouchedMemory();

  // Empty if the system refuses. bytes > 0.
  static UntouchedMemory Take(int64_t bytes);

  bool empty() const { return data_ == nullptr; }
  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace mcv
