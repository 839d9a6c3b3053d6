// The learning rate as a pure function of the step: nothing to save, nothing to restore.
#pragma once

#include <cstdint>
#include <string>

namespace mcv::trainer {

struct Schedule {
  enum class Shape { kFlat, kCosine };
  Shape shape = Shape::kFlat;
  int64_t steps = 1;
  int64_t warmup = 0;
  double peak = 1e-3;
  double floor_share = 0.0;  // of the peak, at the end
  double decay_share = 0.3;  // kFlat: the last part of the run, in which the rate falls linearly

  // The rate of step `step`, counted from 0.
  double Rate(int64_t step) const;
};

}  // namespace mcv::trainer
