// From what a person points at to the files of a model. Private to family.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace mcv {

// The folder of an HF model, or the path of the language model's GGUF.
struct ModelLocation {
  bool hf = false;
  std::string path;
};

// path: an HF folder; a folder of the Hugging Face cache (models--org--name, its snapshots or one
// of them); a .safetensors or index file; a GGUF, or any part of a split one; or a folder with
// exactly one language model's GGUF. Errors say what was found instead.
Result<ModelLocation> LocateModel(const std::string& path);

// What a person calls the model in this folder: its name, or "org/name" in the Hugging Face cache.
std::string FolderModelName(const std::string& folder);

// The .gguf files of a folder (in any case), sorted by name, whose architecture says that they are
// vision files, whatever they are called; or those that may be language models. Of a split model
// only the first part, of adapters and importance matrices none.
enum class GgufRole { kLanguageModel, kVision };
std::vector<std::string> GgufsIn(const std::string& folder, GgufRole role);

// "folder/" of "folder/name"; "." for a plain name.
std::string FolderOf(const std::string& path);

}  // namespace mcv
