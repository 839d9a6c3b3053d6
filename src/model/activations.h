// Every buffer of a pass, allocated once for the largest need so far and reused: a pass itself
// allocates nothing.
#pragma once

#include <cstdint>

#include "base/untouched_memory.h"
#include "family/config.h"
#include "kernels/kernels.h"

namespace mcv {

// Memory cut into matrices. It is taken from the system untouched, so pages that no pass writes
// cost nothing.
class Arena {
 public:
  // Forgets earlier matrices; grows to `floats` if smaller.
  void Reset(int64_t floats);
  // The next rows x cols floats, rows 64-byte aligned when cols is a multiple of 16. Contents are
  // whatever was there.
  MatView Take(int64_t rows, int64_t cols);
  int64_t capacity_bytes() const { return capacity_ * static_cast<int64_t>(sizeof(float)); }

  // Floats that Take(rows, cols) uses up.
  static int64_t Need(int64_t rows, int64_t cols) { return (rows * cols + 15) / 16 * 16; }

 private:
  UntouchedMemory data_;
  int64_t capacity_ = 0;
  int64_t used_ = 0;
};

// One view through the tower and the resampler. N patches (padding included), C vision width,
// F vision FFN, E LLM width, Q queries, P = 3 * patch * patch.
struct VisionActivations {
  MatView patches;    // [N, P] normalised pixels; zero rows are padding
  MatView x;          // [N, C] the residual stream
  MatView normed;     // [N, C]
  MatView q, k, v;    // [N, C] each
  MatView mixed;      // [N, C] attention output
  MatView hidden;     // [N, F]
  MatView kv;         // [N, E] resampler: normed keys and values before projection
  MatView keys;       // [N, E]
  MatView values;     // [N, E]
  MatView queries;    // [Q, E]
  MatView resampled;  // [Q, E] attention output
  MatView projected;  // [Q, E]

  // Shapes all of the above for a view of `patches` patches. The tower's and the resampler's own
  // buffers share memory: one is done before the other begins.
  void Shape(const ModelConfig& config, int64_t num_patches);
  // Floats that Shape takes, for plans.
  static int64_t FloatsFor(const ModelConfig& config, int64_t num_patches);
  int64_t capacity_bytes() const { return arena_.capacity_bytes(); }

 private:
  Arena arena_;
};

// One batch of T tokens through the decoder. E width, H*D heads x head size, G*D kv heads x head
// size, F FFN.
struct TextActivations {
  MatView x;       // [T, E] the residual stream
  MatView normed;  // [T, E]
  MatView q;       // [T, H*D]
  MatView k, v;    // [T, G*D]
  MatView mixed;   // [T, H*D]
  MatView hidden;  // [T, F]

  void Shape(const TextConfig& config, int64_t num_tokens);
  // From here on a batch of its first `rows` alone.
  void KeepFirstRows(int64_t rows);
  static int64_t FloatsFor(const TextConfig& config, int64_t num_tokens);
  int64_t capacity_bytes() const { return arena_.capacity_bytes(); }

 private:
  Arena arena_;
};

}  // namespace mcv
