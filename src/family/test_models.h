// What tests of models share: where the committed ones lie, and the published models'
// configurations as their own files state them.
#pragma once

#include <fstream>
#include <iterator>
#include <string>

namespace mcv {

// A file of the golden models that are committed.
inline std::string Committed(const std::string& name) { return MCV_TESTDATA "/goldens/" + name; }
inline constexpr char k25Llm[] = "models/v25_tiny/gguf/llm-Q4_K_M.gguf";
inline constexpr char k25LlmF16[] = "models/v25_tiny/gguf/llm-f16.gguf";
inline constexpr char k25Mmproj[] = "models/v25_tiny/gguf/mmproj-f16.gguf";
inline constexpr char k20Hf[] = "models/v20_tiny/hf";

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// MiniCPM-V 1.0 and 2.0 (model-spec 1.1); `extra` tells them apart.
inline std::string PublishedMiniCpmConfig(const std::string& extra) {
  return R"({"architectures": ["MiniCPMV"], "model_type": "minicpmv", "hidden_act": "silu",
    "hidden_size": 2304, "intermediate_size": 5760, "num_hidden_layers": 40,
    "num_attention_heads": 36, "num_key_value_heads": 36, "vocab_size": 122753,
    "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "rope_scaling": null,
    "max_position_embeddings": 4096, "query_num": 64, "image_size": 448, "patch_size": 14,
    "tie_word_embeddings": false, "drop_vision_last_layer": true, "scale_emb": 12,
    "scale_depth": 1.4, "dim_model_base": 256,
    "vision_encoder": "vit_so400m_patch14_siglip_384.webli")" +
         extra + "}";
}
inline std::string Published10Config() { return PublishedMiniCpmConfig(""); }
inline std::string Published20Config() {
  return PublishedMiniCpmConfig(
      R"(, "slice_mode": true, "max_slice_nums": 9, "scale_resolution": 448)");
}

inline std::string Published25Config() {
  return R"({"architectures": ["MiniCPMV"], "model_type": "minicpmv", "hidden_act": "silu",
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "rope_scaling": null,
    "max_position_embeddings": 8192, "query_num": 96, "image_size": 448, "patch_size": 14,
    "tie_word_embeddings": false, "drop_vision_last_layer": false, "slice_mode": true,
    "slice_config": {"max_slice_nums": 9, "patch_size": 14, "model_type": "minicpmv"},
    "vision_config": {"hidden_size": 1152, "image_size": 980, "intermediate_size": 4304,
      "model_type": "idefics2", "num_attention_heads": 16, "num_hidden_layers": 27,
      "patch_size": 14}})";
}

inline std::string Published26Config() {
  return R"({"architectures": ["MiniCPMV"], "model_type": "minicpmv", "hidden_act": "silu",
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 151666,
    "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "max_position_embeddings": 32768,
    "query_num": 64, "image_size": 448, "patch_size": 14, "tie_word_embeddings": false,
    "drop_vision_last_layer": false, "slice_mode": true, "version": 2.6,
    "slice_config": {"max_slice_nums": 9, "patch_size": 14, "model_type": "minicpmv"},
    "vision_config": {"hidden_size": 1152, "image_size": 980, "intermediate_size": 4304,
      "model_type": "siglip", "num_attention_heads": 16, "num_hidden_layers": 27,
      "patch_size": 14}})";
}

}  // namespace mcv
