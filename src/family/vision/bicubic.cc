#include "family/vision/bicubic.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace mcv {
namespace {

// Keys' cubic convolution kernel. The order of the operations is part of the result's last bits.
double CubicKernel(double t, double a) {
  t = std::abs(t);
  if (t < 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
  if (t < 2.0) return (((t - 5.0) * t + 8.0) * t - 4.0) * a;
  return 0.0;
}

}  // namespace

AxisTaps AntialiasedBicubic(int num_in, int num_out) {
  constexpr double kA = -0.5;
  const double scale = static_cast<double>(num_in) / num_out;
  const double widen = std::max(scale, 1.0);
  const double support = 2.0 * widen;
  const double inverse_widen = 1.0 / widen;
  AxisTaps taps;
  // No more than there are inputs: a long axis that shrinks to a few samples needs all of them.
  taps.max_taps = static_cast<int>(std::min<double>(std::ceil(support) * 2 + 1, num_in));
  taps.first.resize(static_cast<size_t>(num_out));
  taps.count.resize(static_cast<size_t>(num_out));
  taps.weights.resize(static_cast<size_t>(num_out) * static_cast<size_t>(taps.max_taps));
  for (int i = 0; i < num_out; ++i) {
    const double center = (i + 0.5) * scale;
    const int lo = std::max(static_cast<int>(center - support + 0.5), 0);
    const int hi = std::min(static_cast<int>(center + support + 0.5), num_in);
    double* weights = &taps.weights[static_cast<size_t>(i) * static_cast<size_t>(taps.max_taps)];
    double sum = 0.0;
    for (int t = 0; t < hi - lo; ++t) {
      weights[t] = CubicKernel((t + lo - center + 0.5) * inverse_widen, kA);
      sum += weights[t];
    }
    for (int t = 0; t < hi - lo; ++t) {
      if (sum != 0.0) weights[t] /= sum;
    }
    taps.first[static_cast<size_t>(i)] = lo;
    taps.count[static_cast<size_t>(i)] = hi - lo;
  }
  return taps;
}

AxisTaps PlainBicubic(int num_in, int num_out) {
  constexpr double kA = -0.75;
  AxisTaps taps;
  taps.max_taps = std::min(num_in, 4);
  taps.weights.assign(static_cast<size_t>(num_out) * static_cast<size_t>(taps.max_taps), 0.0);
  for (int i = 0; i < num_out; ++i) {
    const double source = (i + 0.5) * num_in / num_out - 0.5;
    const int left = static_cast<int>(std::floor(source));
    const double fraction = source - left;
    // Four neighbours, each clamped into the axis; the window holds every clamped index.
    const int first = std::clamp(left - 1, 0, num_in - taps.max_taps);
    double* weights = &taps.weights[static_cast<size_t>(i) * static_cast<size_t>(taps.max_taps)];
    for (int t = -1; t <= 2; ++t) {
      const int clamped = std::clamp(left + t, 0, num_in - 1);
      weights[clamped - first] += CubicKernel(fraction - t, kA);
    }
    taps.first.push_back(first);
    taps.count.push_back(taps.max_taps);
  }
  return taps;
}

}  // namespace mcv
