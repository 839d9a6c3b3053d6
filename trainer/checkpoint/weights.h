// Named tensors to and from safetensors files.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "formats/dtype.h"
#include "trainer/compat.h"

namespace mcv::trainer {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// Writes fp32 tensors as `type` (kF32, kF16 or kBF16).
Status SaveTensors(const std::string& path, const NamedTensors& tensors, DType type);

// What a file may lack or have beyond what is asked for, by prefix of the name.
struct LoadRules {
  std::vector<std::string> may_be_missing;
  std::vector<std::string> may_be_unknown;
  // May have fewer rows than the target, whose further rows then keep their values.
  std::vector<std::string> may_be_shorter = {};
};
// Copies a file's tensors into `targets` of the same names. Any other difference in names or shapes
// is an error that names the first of each kind.
Status LoadTensors(const std::string& path, const NamedTensors& targets,
                   const LoadRules& rules = {});

// All tensors of a file whose names begin so, as fp32.
Result<NamedTensors> ReadTensors(const std::string& path, std::string_view prefix);

}  // namespace mcv::trainer
