#include "trainer/checkpoint/import.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include "family/model_files.h"

namespace mcv::trainer {
namespace {

// Writes the rows of the table's tensor where the trainer keeps them: the inverse of what export
// reads.
Status CopyRows(const TensorSpec& spec, const std::vector<float>& values, Tensor target) {
  if (target.numel() < spec.elements()) {
    return InvalidArgument("tensor " + spec.hf_name + " has " + std::to_string(spec.elements()) +
                           " values, this model's has " + std::to_string(target.numel()));
  }
  Tensor source = torch::empty({spec.rows, spec.cols}, at::kFloat);
  std::memcpy(source.data_ptr(), values.data(), values.size() * sizeof(float));
  if (spec.hf_transposed) {
    target.copy_(source.t());
  } else {
    target.view({-1, spec.cols}).narrow(0, spec.hf_row_begin, spec.rows).copy_(source);
  }
  return OkStatus();
}

Status ImportModel(const std::string& path, std::string_view parts, const NamedTensors& targets) {
  MCV_ASSIGN_OR_RETURN(const ModelFiles files, ModelFiles::Open(path));
  const torch::NoGradGuard guard;
  std::map<std::string, Tensor> wanted;
  std::map<std::string, int64_t> values_left;
  for (const auto& [name, tensor] : targets) {
    if (!InParts(name, parts) || InParts(name, "aux.")) continue;
    wanted.emplace(name, tensor);
    values_left[name] = tensor.numel();
  }
  for (const TensorSpec& spec : files.tensors()) {
    const auto found = wanted.find(spec.hf_name);
    if (found == wanted.end()) continue;
    MCV_ASSIGN_OR_RETURN(const std::vector<float> values, ReadTensor(files, spec));
    MCV_RETURN_IF_ERROR(CopyRows(spec, values, found->second));
    values_left[spec.hf_name] -= spec.elements();
  }
  for (const auto& [name, left] : values_left) {
    if (left != 0) {
      return InvalidArgument(path + ": does not fill tensor " + name + " of this model (" +
                             std::to_string(left) + " values missing)");
    }
  }
  return OkStatus();
}

}  // namespace

bool InParts(std::string_view name, std::string_view parts) {
  while (!parts.empty()) {
    const size_t comma = std::min(parts.find(','), parts.size());
    const std::string_view part = parts.substr(0, comma);
    if (!part.empty() && name.substr(0, part.size()) == part) return true;
    parts.remove_prefix(std::min(comma + 1, parts.size()));
  }
  return false;
}

Status ImportWeights(const std::string& path, std::string_view parts, const NamedTensors& targets) {
  if (std::filesystem::path(path).extension() != ".safetensors") {
    return ImportModel(path, parts, targets);
  }
  NamedTensors chosen;
  LoadRules rules{{"aux."}, {}};
  for (const auto& target : targets) {
    if (InParts(target.first, parts)) {
      chosen.push_back(target);
    } else {
      rules.may_be_unknown.push_back(target.first);
    }
  }
  // Heads of an older set of losses are of no use.
  rules.may_be_unknown.push_back("aux.");
  return LoadTensors(path, chosen, rules);
}

}  // namespace mcv::trainer
