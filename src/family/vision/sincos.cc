#include "family/vision/sincos.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/status.h"

namespace mcv {

std::vector<float> SinCosAxis(int n, int width) {
  MCV_CHECK(n > 0 && width > 0 && width % 4 == 0);
  const size_t quarter = static_cast<size_t>(width) / 4;
  std::vector<float> frequencies(quarter);
  for (size_t i = 0; i < quarter; ++i) {
    const float exponent = static_cast<float>(i) / static_cast<float>(quarter);
    frequencies[i] = 1.0f / std::pow(10000.0f, exponent);
  }
  std::vector<float> axis(static_cast<size_t>(n) * 2 * quarter);
  for (size_t p = 0; p < static_cast<size_t>(n); ++p) {
    float* row = &axis[p * 2 * quarter];
    for (size_t i = 0; i < quarter; ++i) {
      // The fp32 angle is the reference's; the function of it is rounded once, so that the table
      // does not depend on the platform's single-precision sine.
      const double angle = static_cast<float>(p) * frequencies[i];
      row[i] = static_cast<float>(std::sin(angle));
      row[quarter + i] = static_cast<float>(std::cos(angle));
    }
  }
  return axis;
}

void FillSinCosTable(int rows, int cols, int width, std::span<float> out) {
  const size_t half = static_cast<size_t>(width) / 2;
  MCV_CHECK(out.size() >= static_cast<size_t>(rows) * static_cast<size_t>(cols) * 2 * half);
  const std::vector<float> axis = SinCosAxis(std::max(rows, cols), width);
  float* to = out.data();
  for (size_t y = 0; y < static_cast<size_t>(rows); ++y) {
    for (size_t x = 0; x < static_cast<size_t>(cols); ++x) {
      to = std::copy_n(&axis[x * half], half, to);
      to = std::copy_n(&axis[y * half], half, to);
    }
  }
}

}  // namespace mcv
