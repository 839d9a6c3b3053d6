// Cosines and sines of the rotary embedding, computed once per position and kept.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/untouched_memory.h"
#include "kernels/kernels.h"

namespace mcv {

// Consecutive positions.
struct PositionRange {
  int64_t first = 0;
  int64_t count = 0;
};

// Angles are position * theta^(-2i/D), evaluated in fp32 as the reference does: at position 1000 a
// double would already differ by more than the reference's own rounding. One thread; allocates
// nothing after Create.
class RopeCache {
 public:
  // For positions below `positions`, and up to `rows` of them in one table. ResourceExhausted when
  // the memory cannot be had; only what is used is resident.
  static Result<RopeCache> Create(int head_dim, float theta, int64_t positions, int64_t rows);
  // What is resident once `positions` have been used.
  static int64_t BytesFor(int head_dim, int64_t positions) {
    return 2 * positions * (head_dim / 2) * static_cast<int64_t>(sizeof(float));
  }

  // One row per position of the ranges, in their order: [rows, D / 2] each. Valid until the next
  // call.
  RopeTable Rows(std::span<const PositionRange> ranges);

 private:
  RopeCache(int head_dim, float theta);
  void FillUpTo(int64_t positions);
  float* Table(int64_t row) { return reinterpret_cast<float*>(table_.data()) + row * 2 * half_; }

  int64_t half_;
  int64_t most_positions_ = 0;
  int64_t most_rows_ = 0;
  std::vector<float> inv_freq_;  // [D / 2]
  int64_t filled_ = 0;
  UntouchedMemory table_;     // [positions, 2, D / 2]: cosines, then sines
  UntouchedMemory gathered_;  // [rows, 2, D / 2]
};

}  // namespace mcv
