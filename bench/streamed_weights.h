// Weights to time kernels with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "formats/quant/quant.h"
#include "kernels/kernels.h"

namespace mcv::bench {

inline std::vector<float> RandomFloats(int64_t count, uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(random.Uniform(-1, 1));
  return values;
}

// Weights of one shape behind each other, so many that no cache holds what the next call reads; 16
// quantised rows are repeated, since only the time matters.
class StreamedWeights {
 public:
  StreamedWeights(DType type, int64_t rows, int64_t cols, int64_t total_bytes) {
    const auto row_bytes = static_cast<int64_t>(*RowBytes(type, static_cast<uint64_t>(cols)));
    copies_ = std::max<int64_t>(1, total_bytes / (rows * row_bytes));
    bytes_.resize(static_cast<size_t>(copies_ * rows * row_bytes));
    const std::vector<float> values = RandomFloats(16 * cols, 1);
    std::vector<std::byte> pattern(static_cast<size_t>(16 * row_bytes));
    for (int64_t r = 0; r < 16; ++r) {
      QuantizeRow(type, {values.data() + r * cols, static_cast<size_t>(cols)},
                  pattern.data() + r * row_bytes);
    }
    for (int64_t r = 0; r < copies_ * rows; ++r) {
      std::memcpy(bytes_.data() + r * row_bytes, pattern.data() + r % 16 * row_bytes,
                  static_cast<size_t>(row_bytes));
    }
    view_ = {type, rows, cols, bytes_.data()};
    one_ = rows * row_bytes;
  }
  WeightView Next() {
    WeightView view = view_;
    view.data += next_ * one_;
    next_ = (next_ + 1) % copies_;
    return view;
  }
  int64_t bytes() const { return one_; }

 private:
  std::vector<std::byte> bytes_;
  WeightView view_;
  int64_t one_ = 0, copies_ = 1, next_ = 0;
};

}  // namespace mcv::bench
