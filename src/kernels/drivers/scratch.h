// Divides a context's scratch memory into aligned parts for one operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace mcv {

// Usage: Reserve() every part, then Acquire() once; a part is base + its offset. The memory is good
// until the next operation on the same context.
class ScratchPlan {
 public:
  static constexpr int64_t kAlignment = 64;

  int64_t Reserve(int64_t bytes) {
    const int64_t offset = total_;
    total_ += RoundUp(bytes);
    return offset;
  }

  // What Acquire() makes the context hold.
  int64_t bytes() const { return total_ + kAlignment; }

  std::byte* Acquire(Context& ctx) const {
    const size_t need = static_cast<size_t>(bytes());
    if (ctx.scratch.size() < need) {
      // Nothing in it is worth copying, and the old and the new are never held together.
      std::vector<std::byte>().swap(ctx.scratch);
      ctx.scratch.resize(need);
    }
    const auto address = reinterpret_cast<uintptr_t>(ctx.scratch.data());
    const uintptr_t aligned = (address + kAlignment - 1) & ~uintptr_t{kAlignment - 1};
    return ctx.scratch.data() + (aligned - address);
  }

  static int64_t RoundUp(int64_t bytes) { return (bytes + kAlignment - 1) & -kAlignment; }

 private:
  int64_t total_ = 0;
};

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace mcv
