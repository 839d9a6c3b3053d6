// Divides a context's scratch memory into aligned parts for one operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

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
  int64_t bytes() const { return total_; }

  std::byte* Acquire(Context& ctx) const {
    if (ctx.scratch.size() < bytes()) {
      // Nothing in it is worth copying, and the old and the new are never held together.
      ctx.scratch = UntouchedMemory();
      ctx.scratch = UntouchedMemory::Take(bytes(), PageSize::kLarge);
      if (ctx.scratch.empty()) throw std::bad_alloc();
    }
    return ctx.scratch.data();
  }

  static int64_t RoundUp(int64_t bytes) { return (bytes + kAlignment - 1) & -kAlignment; }

 private:
  int64_t total_ = 0;
};

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace mcv
