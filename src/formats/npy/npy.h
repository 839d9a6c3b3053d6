// NumPy's .npy files, as far as golden values use them: little-endian float32 in C order.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace mcv {

struct NpyArray {
  std::vector<uint64_t> shape;  // outermost first; empty for a scalar
  std::vector<float> values;    // product of shape
};

// Format versions 1 to 3. Corrupt for anything damaged, Unsupported for another dtype or order.
Result<NpyArray> ReadNpy(const std::string& path);
Result<NpyArray> ParseNpy(std::span<const std::byte> bytes, const std::string& name);

}  // namespace mcv
