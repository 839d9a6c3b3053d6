// Time that passes, for measuring.
#pragma once

#include <chrono>

namespace mcv {

using Clock = std::chrono::steady_clock;

inline double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace mcv
