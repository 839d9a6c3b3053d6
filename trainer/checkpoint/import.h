// Weights to start a run from, whatever they are stored in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/tokenizer.h"
#include "trainer/checkpoint/weights.h"

namespace mcv::trainer {

// "vpm.,llm." -> is `name` in one of the parts?
bool InParts(std::string_view name, std::string_view parts);

// Copies into those `targets` whose names are in `parts`. path: a .safetensors file of the trainer;
// or any model that the engine opens (HF folder, LLM .gguf with its mmproj beside it, or the folder
// of both), quantised types included; training heads ("aux.") come from the file that export puts
// beside it. Heads that the source does not have, rows of heads for labels that were appended
// since, and parts that are not asked for keep their values; anything else that is missing or
// misshapen is an error that names it. So is a decoder of another tokenizer than `tokenizer`.
Status ImportWeights(const std::string& path, std::string_view parts, const Tokenizer& tokenizer,
                     const NamedTensors& targets);

}  // namespace mcv::trainer
