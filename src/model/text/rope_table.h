// Cosines and sines of the rotary embedding, computed once per position and kept.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace mcv {

// Angles are position * theta^(-2i/D), evaluated in fp32 as the reference does: at position 1000 a
// double would already differ by more than the reference's own rounding. One thread.
class RopeCache {
 public:
  RopeCache(int head_dim, float theta);
  // What is kept for `positions`.
  static int64_t BytesFor(int head_dim, int64_t positions) {
    return 2 * positions * (head_dim / 2) * static_cast<int64_t>(sizeof(float));
  }

  // Rows for positions [first, first + count): [count, D / 2] each. Valid until the next call.
  RopeTable Range(int64_t first, int64_t count);
  // The same position for `count` rows.
  RopeTable Repeat(int64_t position, int64_t count);

 private:
  void Fill(int64_t position, float* cos, float* sin) const;

  int64_t half_;
  std::vector<float> inv_freq_;   // [D / 2]
  std::vector<float> cos_, sin_;  // [positions so far, D / 2]
  std::vector<float> repeated_cos_, repeated_sin_;
};

}  // namespace mcv
