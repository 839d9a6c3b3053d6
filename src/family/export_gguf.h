// Writes a model as the GGUF pair that published models come in: names, dims, row order and keys of
// model-spec 3.4 and 3.5, so that other programs read it too, plus this project's own keys
// (config_gguf.h). Used by the trainer and for converting.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/config.h"
#include "family/model_files.h"
#include "family/tensors.h"
#include "family/tokenizer_data.h"
#include "formats/dtype.h"

namespace mcv {

// Gives a tensor as fp32, rows * cols values in the table's orientation, q and k rows in HF order.
// Called once per tensor, in file order, from the thread that writes.
using TensorGetter = std::function<Result<std::vector<float>>(const TensorSpec&)>;
// The tensors of opened files; `files` must outlive it.
TensorGetter TensorsOf(const ModelFiles& files);

// One type for all matrices, or one of the mixes that give the sensitive ones more bits
// (model-spec 3.6).
enum class QuantMix { kF32, kF16, kBF16, kQ4_0, kQ5_0, kQ8_0, kQ4_K_M, kQ5_K_M, kQ6_K };
// "f32", "f16", "bf16", "q4_0", "q5_0", "q8_0", "q4_k_m", "q5_k_m", "q6_k"; case does not matter.
Result<QuantMix> FindQuantMix(std::string_view name);
std::string_view QuantMixName(QuantMix mix);

// The type that a tensor gets: vectors and the resampler's query tables F32, the tower's patch
// weight and position table never below F16, rows that are not whole blocks a type that fits.
DType StoredType(const TensorSpec& spec, QuantMix mix, const ModelConfig& config);

struct GgufExport {
  ModelConfig config = {};  // valid; text.rope_pairing is not looked at
  TensorGetter tensor = nullptr;
  TokenizerData tokenizer = {};
  QuantMix text_mix = QuantMix::kF16;
  QuantMix vision_mix = QuantMix::kF16;
  // The sine-cosine table that some programs want stored. 4900 rows of the LLM's width.
  bool with_key_positions = true;
};

// Nothing half-written stays behind on failure.
Status WriteTextGguf(const GgufExport& source, const std::string& path);
Status WriteVisionGguf(const GgufExport& source, const std::string& path);

}  // namespace mcv
