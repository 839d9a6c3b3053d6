#include "family/export_hf.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file_writer.h"
#include "family/number_text.h"
#include "formats/quant/quant.h"
#include "formats/safetensors/safetensors_file.h"

namespace mcv {
namespace {

using nlohmann::ordered_json;

const char* TorchName(DType type) {
  if (type == DType::kBF16) return "bfloat16";
  return type == DType::kF16 ? "float16" : "float32";
}

void AddText(const ModelConfig& config, ordered_json& out) {
  const TextConfig& text = config.text;
  out["hidden_act"] = "silu";
  out["hidden_size"] = text.width;
  out["intermediate_size"] = text.ffn;
  out["num_hidden_layers"] = text.layers;
  out["num_attention_heads"] = text.heads;
  out["num_key_value_heads"] = text.kv_heads;
  if (text.heads * text.head_dim != text.width) out["head_dim"] = text.head_dim;
  out["vocab_size"] = text.vocab;
  out["rms_norm_eps"] = ShortestDouble(text.rms_eps);
  out["rope_theta"] = ShortestDouble(text.rope_theta);
  out["rope_scaling"] = nullptr;
  out["max_position_embeddings"] = text.max_positions;
  out["tie_word_embeddings"] = text.tied_head;
  if (Row(text.arch).minicpm_scales) {
    // The files state the factors from which the scales are computed.
    out["scale_emb"] = ShortestDouble(text.embedding_scale);
    out["scale_depth"] =
        ShortestDouble(static_cast<float>(text.residual_scale * std::sqrt(double(text.layers))));
    out["dim_model_base"] = ShortestDouble(static_cast<float>(text.width / text.logit_divisor));
  }
}

void AddVision(const ModelConfig& config, ordered_json& out) {
  const VisionConfig& vision = config.vision;
  const int image = vision.table_side * vision.patch;
  if (config.row().vision_names == VisionNames::kTimm) {
    // As published, the depth is given with the last block, which is dropped.
    out["drop_vision_last_layer"] = true;
    out["vision_encoder"] = "vit_so400m_patch14_siglip_384";
    out["vision_encoder_config"] = {{"embed_dim", vision.width}, {"depth", vision.layers + 1},
                                    {"num_heads", vision.heads}, {"mlp_hidden", vision.ffn},
                                    {"img_size", image},         {"patch_size", vision.patch}};
    return;
  }
  out["drop_vision_last_layer"] = false;
  out["batch_vision_input"] = true;
  const char* tower = config.version == Version::kV2_5 ? "idefics2" : "siglip";
  out["vision_config"] = {{"model_type", tower},
                          {"hidden_size", vision.width},
                          {"image_size", image},
                          {"intermediate_size", vision.ffn},
                          {"num_attention_heads", vision.heads},
                          {"num_hidden_layers", vision.layers},
                          {"patch_size", vision.patch},
                          {"layer_norm_eps", ShortestDouble(vision.norm_eps)}};
  out["position_rule"] = PositionRuleName(vision.position_rule);
}

ordered_json ConfigJson(const HfExport& source) {
  const ModelConfig& config = source.config;
  ordered_json out;
  out["architectures"] = {"MiniCPMV"};
  out["model_type"] = "minicpmv";
  out["version"] = config.row().short_name;
  out["torch_dtype"] = TorchName(source.type);
  AddText(config, out);
  if (source.bos_id) out["bos_token_id"] = *source.bos_id;
  if (source.eos_id) out["eos_token_id"] = *source.eos_id;
  out["query_num"] = config.resampler.queries;
  out["image_size"] = config.slicing.scale_resolution;
  out["patch_size"] = config.vision.patch;
  AddVision(config, out);
  if (config.row().slice_rule == SliceRule::kSquash) return out;
  out["slice_mode"] = true;
  out["slice_config"] = {{"max_slice_nums", config.slicing.max_slices},
                         {"patch_size", config.slicing.patch},
                         {"scale_resolution", config.slicing.scale_resolution},
                         {"model_type", "minicpmv"}};
  if (config.row().use_image_id) out["use_image_id"] = true;
  return out;
}

ordered_json PreprocessorJson(const ModelConfig& config) {
  ordered_json out;
  out["image_processor_type"] = "MiniCPMVImageProcessor";
  out["processor_class"] = "MiniCPMVProcessor";
  out["max_slice_nums"] = config.slicing.max_slices;
  out["scale_resolution"] = config.slicing.scale_resolution;
  out["patch_size"] = config.slicing.patch;
  out["image_feature_size"] = config.resampler.queries;
  out["im_start"] = "<image>";
  out["im_end"] = "</image>";
  out["slice_start"] = "<slice>";
  out["slice_end"] = "</slice>";
  out["unk"] = "<unk>";
  if (config.row().use_image_id) {
    out["use_image_id"] = true;
    out["im_id_start"] = "<image_id>";
    out["im_id_end"] = "</image_id>";
  }
  out["slice_mode"] = config.row().slice_rule == SliceRule::kAdaptive;
  for (int i = 0; i < 3; ++i) {
    out["norm_mean"].push_back(ShortestDouble(config.image_mean[i]));
    out["norm_std"].push_back(ShortestDouble(config.image_std[i]));
  }
  out["version"] = config.row().short_name;
  return out;
}

// One tensor of the folder, put together from the rows of the table that lie in it.
struct StoredTensor {
  std::vector<uint64_t> shape;
  std::vector<std::byte> bytes;
};

Status Place(const TensorSpec& spec, const HfExport& source,
             std::map<std::string, StoredTensor>& stored) {
  MCV_ASSIGN_OR_RETURN(std::vector<float> values, source.tensor(spec));
  if (values.size() != static_cast<size_t>(spec.elements())) {
    return Internal("tensor " + spec.id + ": expected " + std::to_string(spec.elements()) +
                    " values, got " + std::to_string(values.size()));
  }
  if (spec.hf_transposed) values = Transposed(values, spec.rows, spec.cols);
  MCV_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes,
                       Quantize(source.type, values, spec.rows, spec.cols));
  StoredTensor& tensor = stored[spec.hf_name];
  if (tensor.bytes.empty()) {
    tensor.shape.assign(spec.hf_shape.begin(), spec.hf_shape.end());
    size_t elements = 1;
    for (uint64_t axis : tensor.shape) elements *= axis;
    tensor.bytes.resize(elements * Traits(source.type).block_bytes);
  }
  const size_t begin = spec.hf_row_begin * (bytes.size() / spec.rows);
  std::copy(bytes.begin(), bytes.end(), tensor.bytes.begin() + static_cast<ptrdiff_t>(begin));
  return OkStatus();
}

Status CheckSource(const HfExport& source) {
  MCV_RETURN_IF_ERROR(Validate(source.config));
  if (!source.config.has_vision) return InvalidArgument("an HF folder needs the vision part");
  if (source.config.projector_predivided) {
    return Unsupported(
        "the projector of this model is already divided by the embedding scale, "
        "which an HF folder cannot state");
  }
  if (Traits(source.type).quantised || Traits(source.type).block_bytes > 4) {
    return InvalidArgument("an HF folder holds F32, F16 or BF16, not " +
                           std::string(Traits(source.type).name));
  }
  return OkStatus();
}

}  // namespace

Status WriteHfConfig(const HfExport& source, const std::string& folder) {
  MCV_RETURN_IF_ERROR(CheckSource(source));
  MCV_RETURN_IF_ERROR(WriteFile(folder + "/config.json", ConfigJson(source).dump(1) + "\n"));
  return WriteFile(folder + "/preprocessor_config.json",
                   PreprocessorJson(source.config).dump(1) + "\n");
}

Status WriteHfTensors(const HfExport& source, const std::string& folder) {
  MCV_RETURN_IF_ERROR(CheckSource(source));
  std::map<std::string, StoredTensor> stored;
  for (const TensorSpec& spec : TensorTable(source.config)) {
    MCV_RETURN_IF_ERROR(Place(spec, source, stored));
  }
  std::vector<SafeTensorToWrite> tensors;
  for (const auto& [name, tensor] : stored) {
    tensors.push_back({name, source.type, tensor.shape, tensor.bytes});
  }
  return WriteSafetensors(folder + "/model.safetensors", std::move(tensors));
}

Status WriteHfFolder(const HfExport& source, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return IoError(folder + ": cannot make the folder: " + error.message());
  MCV_RETURN_IF_ERROR(WriteHfConfig(source, folder));
  return WriteHfTensors(source, folder);
}

}  // namespace mcv
