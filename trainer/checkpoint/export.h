// A trained model in the forms that others read: the published HF folder, and the GGUF pair.
#pragma once

#include <string>

#include "base/status.h"
#include "family/config.h"
#include "family/export_gguf.h"
#include "trainer/checkpoint/weights.h"

namespace mcv::trainer {

// Beside an exported model, under the names that training has for them ("aux.patch.weight"): the
// heads that only training reads. Nothing that answers questions opens this file.
inline constexpr char kHeadsFile[] = "training_heads.safetensors";

struct ExportSource {
  ModelConfig config;
  NamedTensors parameters;    // published names; must live until the call returns
  NamedTensors heads;         // for kHeadsFile; none: no such file
  std::string tokenizer_dir;  // tokenizer.json and tokenizer_config.json
};

// config.json, preprocessor_config.json, model.safetensors in `type`, the tokenizer's files; the
// heads.
Status ExportHfFolder(const ExportSource& source, DType type, const std::string& folder);

// <folder>/llm-<mix>.gguf and <folder>/mmproj-<mix>.gguf; the heads.
Status ExportGgufPair(const ExportSource& source, QuantMix mix, const std::string& folder);

}  // namespace mcv::trainer
