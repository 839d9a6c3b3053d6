#include "family/vision/resample_table.h"

#include <algorithm>
#include <cstddef>

#include "base/status.h"
#include "family/vision/bicubic.h"

namespace mcv {
namespace {

// Resamples the middle axis of [outer, num_in, inner] to `taps`' number of outputs.
std::vector<float> ResampleAxis(std::span<const float> in, size_t outer, size_t num_in,
                                size_t inner, const AxisTaps& taps) {
  const size_t num_out = taps.first.size();
  std::vector<float> out(outer * num_out * inner);
  std::vector<double> sums(inner);
  for (size_t o = 0; o < outer; ++o) {
    for (size_t i = 0; i < num_out; ++i) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (int t = 0; t < taps.count[i]; ++t) {
        const double weight = taps.weights[i * static_cast<size_t>(taps.max_taps) + size_t(t)];
        const float* row = &in[(o * num_in + static_cast<size_t>(taps.first[i] + t)) * inner];
        for (size_t c = 0; c < inner; ++c) sums[c] += weight * row[c];
      }
      float* to = &out[(o * num_out + i) * inner];
      for (size_t c = 0; c < inner; ++c) to[c] = static_cast<float>(sums[c]);
    }
  }
  return out;
}

AxisTaps Taps(TableFilter filter, int num_in, int num_out) {
  return filter == TableFilter::kPlain ? PlainBicubic(num_in, num_out)
                                       : AntialiasedBicubic(num_in, num_out);
}

}  // namespace

std::vector<float> ResampleTable(std::span<const float> table, int side_in, int width, int rows,
                                 int cols, TableFilter filter) {
  MCV_CHECK(side_in > 0 && width > 0 && rows > 0 && cols > 0);
  const size_t side = static_cast<size_t>(side_in);
  MCV_CHECK(table.size() == side * side * static_cast<size_t>(width));
  if (rows == side_in && cols == side_in) return {table.begin(), table.end()};
  const std::vector<float> wide =
      ResampleAxis(table, side, side, static_cast<size_t>(width), Taps(filter, side_in, cols));
  return ResampleAxis(wide, 1, side, static_cast<size_t>(cols) * static_cast<size_t>(width),
                      Taps(filter, side_in, rows));
}

}  // namespace mcv
