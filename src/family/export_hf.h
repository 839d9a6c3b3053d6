// Writes a model as a Hugging Face folder in the published form of its version: config.json,
// preprocessor_config.json, model.safetensors. The tokenizer's files are the caller's.
#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "family/config.h"
#include "family/export_gguf.h"
#include "formats/dtype.h"

namespace mcv {

struct HfExport {
  ModelConfig config = {};  // valid and with vision; text.rope_pairing is not looked at
  TensorGetter tensor = nullptr;
  DType type = DType::kF16;  // kF32, kF16 or kBF16, for every tensor
  std::optional<int> bos_id = std::nullopt;
  std::optional<int> eos_id = std::nullopt;
};

// config.json and preprocessor_config.json. Sizes that differ from the published ones are stated
// by the published keys; "position_rule" and "vision_encoder_config" are this project's own.
Status WriteHfConfig(const HfExport& source, const std::string& folder);
// model.safetensors; holds the whole model in memory once, in `type`. Nothing half-written stays
// behind on failure.
Status WriteHfTensors(const HfExport& source, const std::string& folder);
// Both; makes the folder if it is not there.
Status WriteHfFolder(const HfExport& source, const std::string& folder);

}  // namespace mcv
