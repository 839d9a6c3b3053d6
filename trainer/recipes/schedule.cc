#include "trainer/recipes/schedule.h"

#include <algorithm>
#include <cmath>

namespace mcv::trainer {

double Schedule::Rate(int64_t step) const {
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double position =
      std::min(1.0, static_cast<double>(step) / static_cast<double>(std::max<int64_t>(steps, 1)));
  double share = 1.0;
  if (shape == Shape::kCosine) {
    const double start = static_cast<double>(warmup) / static_cast<double>(steps);
    const double along = (position - start) / std::max(1e-9, 1.0 - start);
    share = 0.5 * (1.0 + std::cos(M_PI * std::clamp(along, 0.0, 1.0)));
  } else if (decay_share > 0.0) {
    share = std::min(1.0, (1.0 - position) / decay_share);
  }
  return peak * (floor_share + (1.0 - floor_share) * share);
}

}  // namespace mcv::trainer
