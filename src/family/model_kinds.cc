#include "family/model_kinds.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/mapped_file.h"
#include "family/json_object.h"
#include "formats/printable.h"

namespace mcv {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxJsonBytes = size_t{4} << 20;

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Status IsAdapter(const std::string& where, const std::string& of) {
  return Unsupported(where + ": is a LoRA adapter" + (of.empty() ? "" : " for " + of) +
                     " and not a whole model; merge it into its model first (merge_and_unload in "
                     "PEFT, llama-export-lora for GGUF) and open the result");
}

// The object `key` of a JSON file as text of one of its keys; empty where anything is missing.
std::string TextIn(const std::string& path, const char* object, const char* key) {
  const auto text = ReadFile(path, kMaxJsonBytes);
  if (!text.ok()) return "";
  const auto json = ParseJsonObject(*text, path);
  if (!json.ok()) return "";
  const nlohmann::json* in = &*json;
  if (object != nullptr) in = JsonObject(*json, path).Find(object);
  const nlohmann::json* value = in != nullptr ? JsonObject(*in, path).Find(key) : nullptr;
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

struct Packing {
  std::string_view mark;  // in a tensor's name
  bool at_end;
  std::string_view method;
};
// Marks that no published MiniCPM-V in plain types has.
constexpr std::array kPackings = {
    Packing{".quant_state.bitsandbytes", false, "bitsandbytes (4 bits)"},
    Packing{".absmax", true, "bitsandbytes (4 bits)"},
    Packing{".SCB", true, "bitsandbytes (8 bits)"},
    Packing{".qweight", true, "GPTQ or AWQ"},
    Packing{".qzeros", true, "GPTQ or AWQ"},
    Packing{".weight_packed", true, "compressed-tensors"},
    Packing{".weight_scale_inv", true, "fp8"},
    Packing{".weight_scale", true, "fp8 or int8"},
    Packing{".codebooks", true, "AQLM"},
};

// The method by which some tensor is packed; empty if all are plain.
std::string_view PackingOf(const SafetensorsFile& file) {
  for (const Packing& packing : kPackings) {
    for (const SafeTensor& tensor : file.tensors()) {
      if (packing.at_end ? tensor.name.ends_with(packing.mark)
                         : Contains(tensor.name, packing.mark)) {
        return packing.method;
      }
    }
  }
  for (const SafeTensor& tensor : file.tensors()) {
    if (!tensor.name.ends_with(".weight")) continue;
    if (tensor.dtype_name.starts_with("F8")) return "fp8";
    if (tensor.dtype_name == "I8" || tensor.dtype_name == "U8") return "int8 or int4";
  }
  return "";
}

}  // namespace

Status CheckIsModel(const GgufFile& file) {
  const auto type = file.GetString("general.type");
  const std::string_view kind = type.ok() ? *type : std::string_view();
  const auto has = [&](std::string_view ending) {
    return std::ranges::any_of(file.tensors(),
                               [&](const GgufTensor& t) { return t.name.ends_with(ending); });
  };
  if (kind == "adapter" || file.FindKey("adapter.type") != nullptr || has(".lora_a")) {
    const auto base = file.GetString("general.base_model.0.name");
    return IsAdapter(file.name(), base.ok() ? Printable(*base) : "");
  }
  if (kind == "imatrix" || file.FindKey("imatrix.chunk_count") != nullptr || has(".in_sum2")) {
    return Unsupported(file.name() +
                       ": is an importance matrix (imatrix), which helps to quantise a model; "
                       "expected the model itself");
  }
  const auto arch = file.GetString("general.architecture");
  if (arch.ok() && *arch == "controlvector") {
    return Unsupported(file.name() + ": is a control vector and not a model");
  }
  return OkStatus();
}

Status CheckNotAdapterFolder(const std::string& folder) {
  const std::string config = folder + "/adapter_config.json";
  if (!Exists(config) || Exists(folder + "/model.safetensors") ||
      Exists(folder + "/model.safetensors.index.json")) {
    return OkStatus();
  }
  const std::string base = TextIn(config, nullptr, "base_model_name_or_path");
  return IsAdapter(folder, base.empty() ? "" : Printable(base));
}

Status CheckHasSafetensors(const std::string& folder) {
  if (Exists(folder + "/model.safetensors") || Exists(folder + "/model.safetensors.index.json")) {
    return OkStatus();
  }
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const bool pickle = name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth") ||
                        name.ends_with(".ckpt") || name.ends_with(".bin.index.json");
    if (!pickle || name.starts_with("training_args")) continue;
    return Unsupported(folder + ": its weights are pickles of PyTorch (" + Printable(name) +
                       "), which can run code and are not read; load the model in Python and save "
                       "it with save_pretrained(..., safe_serialization=True)");
  }
  return OkStatus();
}

Status CheckIsPlainModel(const SafetensorsFile& file, const std::string& folder) {
  for (const SafeTensor& tensor : file.tensors()) {
    if (Contains(tensor.name, ".lora_A.") || Contains(tensor.name, ".lora_B.")) {
      return IsAdapter(folder, "");
    }
  }
  const std::string_view packing = PackingOf(file);
  if (packing.empty()) return OkStatus();
  const std::string stated = TextIn(folder + "/config.json", "quantization_config", "quant_method");
  return Unsupported(folder + ": the checkpoint is quantised with " +
                     (stated.empty() ? std::string(packing) : Printable(stated)) +
                     ", a packing that is not read here; use the original checkpoint (BF16 or "
                     "F16), or a GGUF of the model, which may be as small (Q4_K_M)");
}

}  // namespace mcv
