#include "trainer/checkpoint/import.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>

#include "family/model_files.h"
#include "trainer/checkpoint/export.h"
#include "trainer/checkpoint/weights_tokenizer.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

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

// Heads of an older set of losses are of no use; labels may have been appended.
LoadRules HeadRules() { return {{"aux."}, {"aux."}, {"aux.patch.", "aux.presence."}}; }

Status ImportHeads(const std::string& path, std::string_view parts, const NamedTensors& targets) {
  std::error_code error;
  const fs::path given = path;
  const fs::path folder = fs::is_directory(given, error) ? given : given.parent_path();
  NamedTensors heads;
  for (const auto& target : targets) {
    if (InParts(target.first, parts) && InParts(target.first, "aux.")) heads.push_back(target);
  }
  if (heads.empty()) return OkStatus();
  const fs::path file = folder / kHeadsFile;
  if (fs::exists(file, error)) return LoadTensors(file.string(), heads, HeadRules());
  std::printf("%s: no %s beside it: the heads of the patch losses start afresh\n", path.c_str(),
              kHeadsFile);
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

Status ImportWeights(const std::string& path, std::string_view parts, const Tokenizer& tokenizer,
                     const NamedTensors& targets) {
  const bool decoder = std::any_of(targets.begin(), targets.end(), [&](const auto& target) {
    return InParts(target.first, parts) && InParts(target.first, "llm.");
  });
  if (decoder) {
    MCV_ASSIGN_OR_RETURN(const auto weights_tokenizer, TokenizerOfWeights(path));
    MCV_RETURN_IF_ERROR(CheckSameTokenizer(*weights_tokenizer, tokenizer, path));
  }
  if (fs::path(path).extension() != ".safetensors") {
    MCV_RETURN_IF_ERROR(ImportModel(path, parts, targets));
    return ImportHeads(path, parts, targets);
  }
  NamedTensors chosen;
  LoadRules rules = HeadRules();
  rules.may_be_unknown.clear();
  for (const auto& target : targets) {
    if (InParts(target.first, parts)) {
      chosen.push_back(target);
    } else {
      rules.may_be_unknown.push_back(target.first);
    }
  }
  rules.may_be_unknown.push_back("aux.");
  return LoadTensors(path, chosen, rules);
}

}  // namespace mcv::trainer
