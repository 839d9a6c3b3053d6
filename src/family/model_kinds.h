// What is given in a model's place and looks like one: adapters, importance matrices, checkpoints
// that are quantised in ways of their own, pickles. Told by name, before a hundred tensors are
// found to have the wrong shape. Private to family.
#pragma once

#include <string>

#include "base/status.h"
#include "formats/gguf/gguf_file.h"
#include "formats/safetensors/safetensors_file.h"

namespace mcv {

// OK for what may be a language model; Unsupported for a LoRA adapter, an importance matrix, a
// control vector, a diffusion model's part.
Status CheckIsModel(const GgufFile& file);

// Unsupported for a folder with an adapter of PEFT and no model beside it.
Status CheckNotAdapterFolder(const std::string& folder);

// Unsupported for a folder whose only weights are pickles; NotFound where there are none at all.
Status CheckHasSafetensors(const std::string& folder);

// Unsupported for tensors of adapters, of bitsandbytes, AWQ, GPTQ, fp8 and the like. `folder` has
// the config.json that may say which.
Status CheckIsPlainModel(const SafetensorsFile& file, const std::string& folder);

}  // namespace mcv
