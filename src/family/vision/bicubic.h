// The weights of separable bicubic resampling along one axis: shared by the picture resizer (which
// makes integers of them) and by the position tables (which use them as they are).
#pragma once

#include <vector>

namespace mcv {

// Output i is the sum of weights[i * max_taps + t] * input[first[i] + t] for t < count[i].
struct AxisTaps {
  int max_taps = 0;
  std::vector<int> first;  // never decreases
  std::vector<int> count;
  std::vector<double> weights;  // each output's add up to 1
};

// With antialiasing: the kernel (a = -0.5) widens when shrinking. What Pillow's BICUBIC and
// PyTorch's interpolate(antialias=True) compute.
AxisTaps AntialiasedBicubic(int num_in, int num_out);

// Without: four taps (a = -0.75), samples beyond an edge repeat the edge. PyTorch's plain bicubic
// with align_corners=False.
AxisTaps PlainBicubic(int num_in, int num_out);

}  // namespace mcv
