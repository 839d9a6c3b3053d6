// Named tensors to and from safetensors files.
#pragma once

#include <string>
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
};
// Copies a file's tensors into `targets` of the same names. Any other difference in names or shapes
// is an error that names the first of each kind.
Status LoadTensors(const std::string& path, const NamedTensors& targets,
                   const LoadRules& rules = {});

}  // namespace mcv::trainer
