#include "trainer/checkpoint/weights.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "formats/quant/quant.h"
#include "formats/safetensors/safetensors_file.h"

namespace mcv::trainer {
namespace {

bool HasPrefix(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
    return name.compare(0, prefix.size(), prefix) == 0;
  });
}

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::vector<uint64_t> ShapeOf(const Tensor& tensor) {
  return {tensor.sizes().begin(), tensor.sizes().end()};
}

// The same but for fewer rows.
bool IsShorter(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& whole) {
  return !shape.empty() && shape.size() == whole.size() && shape[0] < whole[0] &&
         std::equal(shape.begin() + 1, shape.end(), whole.begin() + 1);
}

Result<Tensor> ReadTensor(const SafeTensor& stored, const std::string& path) {
  if (!stored.known || Traits(stored.type).quantised) {
    return Unsupported(path + ": tensor " + stored.name + " is of type " + stored.dtype_name +
                       "; expected F32, F16 or BF16");
  }
  const std::vector<int64_t> shape(stored.shape.begin(), stored.shape.end());
  Tensor tensor = torch::empty(shape, at::kFloat);
  MCV_ASSIGN_OR_RETURN(
      const std::vector<float> values,
      Dequantize(stored.type, stored.data, 1, static_cast<uint64_t>(tensor.numel())));
  std::memcpy(tensor.data_ptr(), values.data(), values.size() * sizeof(float));
  return tensor;
}

at::ScalarType TorchType(DType type) {
  switch (type) {
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    default:
      return at::kFloat;
  }
}

}  // namespace

Status SaveTensors(const std::string& path, const NamedTensors& tensors, DType type) {
  std::vector<Tensor> kept;  // the bytes must live until they are written
  std::vector<SafeTensorToWrite> entries;
  for (const auto& [name, tensor] : tensors) {
    kept.push_back(tensor.detach().cpu().to(TorchType(type)).contiguous());
    const Tensor& t = kept.back();
    entries.push_back({name,
                       type,
                       ShapeOf(t),
                       {static_cast<const std::byte*>(t.data_ptr()), size_t(t.nbytes())}});
  }
  return WriteSafetensors(path, std::move(entries));
}

Status LoadTensors(const std::string& path, const NamedTensors& targets, const LoadRules& rules) {
  MCV_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  const torch::NoGradGuard guard;
  std::set<std::string> wanted;
  for (const auto& [name, target] : targets) {
    wanted.insert(name);
    const SafeTensor* found = file.Find(name);
    if (found == nullptr) {
      if (HasPrefix(name, rules.may_be_missing)) continue;
      return NotFound(path + ": tensor " + name + " is missing");
    }
    const bool shorter =
        HasPrefix(name, rules.may_be_shorter) && IsShorter(found->shape, ShapeOf(target));
    if (found->shape != ShapeOf(target) && !shorter) {
      return InvalidArgument(path + ": tensor " + name + " has shape " + ShapeText(found->shape) +
                             ", this model needs " + ShapeText(ShapeOf(target)));
    }
    MCV_ASSIGN_OR_RETURN(const Tensor source, ReadTensor(*found, path));
    // The kernel that copies takes the target's device and strides into account.
    Tensor(shorter ? target.narrow(0, 0, source.size(0)) : target).copy_(source);
  }
  for (const SafeTensor& tensor : file.tensors()) {
    if (wanted.count(tensor.name) == 0 && !HasPrefix(tensor.name, rules.may_be_unknown)) {
      return InvalidArgument(path + ": tensor " + tensor.name + " is not part of this model");
    }
  }
  return OkStatus();
}

Result<NamedTensors> ReadTensors(const std::string& path, std::string_view prefix) {
  MCV_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  NamedTensors tensors;
  for (const SafeTensor& stored : file.tensors()) {
    if (stored.name.compare(0, prefix.size(), prefix) != 0) continue;
    MCV_ASSIGN_OR_RETURN(Tensor tensor, ReadTensor(stored, path));
    tensors.emplace_back(stored.name, std::move(tensor));
  }
  return tensors;
}

}  // namespace mcv::trainer
