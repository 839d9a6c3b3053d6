// One call of every important kernel, through kernels.h, on a fixed small shape with fixed data:
// the same instructions run each time and on each machine, so that they can be counted.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace mcv::bench {

using KernelCall = std::function<void(Context&)>;

struct KernelWork {
  std::string name;  // "gemv/Q4_K"
  Numerics numerics = Numerics::kFast;
  // Allocates and fills what the call reads and writes. The call owns it and may be repeated.
  std::function<KernelCall()> prepare;
};

// Names are unique. No size of anything is taken from the machine.
std::vector<KernelWork> AllKernelWork();

}  // namespace mcv::bench
