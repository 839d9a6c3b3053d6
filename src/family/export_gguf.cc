#include "family/export_gguf.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>

#include "family/config_gguf.h"
#include "family/vision/sincos.h"
#include "formats/gguf/gguf_writer.h"
#include "formats/printable.h"
#include "formats/quant/quant.h"

namespace mcv {
namespace {

struct MixRow {
  QuantMix mix;
  std::string_view name;
  DType type;          // most matrices
  DType more;          // attn_v and ffn_down of the layers that More() picks
  DType head;          // output.weight
  uint32_t file_type;  // general.file_type
};
constexpr MixRow kMixes[] = {
    {QuantMix::kF32, "f32", DType::kF32, DType::kF32, DType::kF32, 0},
    {QuantMix::kF16, "f16", DType::kF16, DType::kF16, DType::kF16, 1},
    {QuantMix::kBF16, "bf16", DType::kBF16, DType::kBF16, DType::kBF16, 32},
    {QuantMix::kQ4_0, "q4_0", DType::kQ4_0, DType::kQ4_0, DType::kQ6_K, 2},
    {QuantMix::kQ5_0, "q5_0", DType::kQ5_0, DType::kQ5_0, DType::kQ6_K, 8},
    {QuantMix::kQ8_0, "q8_0", DType::kQ8_0, DType::kQ8_0, DType::kQ8_0, 7},
    {QuantMix::kQ4_K_M, "q4_k_m", DType::kQ4_K, DType::kQ6_K, DType::kQ6_K, 15},
    {QuantMix::kQ5_K_M, "q5_k_m", DType::kQ5_K, DType::kQ6_K, DType::kQ6_K, 17},
    {QuantMix::kQ6_K, "q6_k", DType::kQ6_K, DType::kQ6_K, DType::kQ6_K, 18},
};

const MixRow& MixOf(QuantMix mix) {
  for (const MixRow& row : kMixes) {
    if (row.mix == mix) return row;
  }
  MCV_CHECK(false);
  return kMixes[0];
}

// The layers whose attn_v and ffn_down get more bits: the first and last eighth, and every third
// between them.
bool More(int layer, int layers) {
  const int eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

// The type itself, or the nearest one whose blocks divide a row.
DType Fit(DType type, int64_t columns) {
  const auto fits = [columns](DType candidate) {
    return columns % Traits(candidate).block_elements == 0;
  };
  if (fits(type)) return type;
  DType smaller = DType::kQ8_0;
  if (type == DType::kQ4_K) smaller = DType::kQ5_0;
  if (type == DType::kQ5_K) smaller = DType::kQ5_1;
  return fits(smaller) ? smaller : DType::kF16;
}

DType TextType(const TensorSpec& spec, const MixRow& mix, const TextConfig& text) {
  if (spec.id == "text.head" || (spec.id == "text.embed" && text.tied_head)) {
    return Fit(mix.head, spec.cols);
  }
  if (spec.id.ends_with(".attn_v") || spec.id.ends_with(".ffn_down")) {
    int layer = 0;
    const char* number = spec.id.data() + sizeof("text.") - 1;
    std::from_chars(number, spec.id.data() + spec.id.size(), layer);
    return Fit(More(layer, text.layers) ? mix.more : mix.type, spec.cols);
  }
  return Fit(mix.type, spec.cols);
}

DType VisionType(const TensorSpec& spec, const MixRow& mix) {
  if (spec.id == "resampler.query" || spec.id == "resampler.positions") return DType::kF32;
  const bool plain = !Traits(mix.type).quantised;
  if (spec.id == "vision.patch" || spec.id == "vision.positions") {
    return plain ? mix.type : DType::kF16;
  }
  return Fit(mix.type, spec.cols);
}

// HF order to the file's: adjacent rotary pairs where the architecture has them.
std::vector<float> InFileOrder(std::vector<float> values, const TensorSpec& spec,
                               const TextConfig& text) {
  if (spec.rope_heads == 0 || Row(text.arch).gguf_pairing != RopePairing::kAdjacent) return values;
  const int64_t rows = spec.is_vector() ? spec.cols : spec.rows;
  const int64_t width = spec.elements() / rows;
  std::vector<float> out(values.size());
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = values.data() + row * width;
    std::copy(from, from + width, out.data() + RopeRowOfHf(row, text.head_dim) * width);
  }
  return out;
}

// Hands each tensor of one file to the writer; it is fetched and quantised when its turn comes.
void AddTensors(const GgufExport& source, TensorFile file, QuantMix mix, GgufWriter& writer) {
  for (const TensorSpec& spec : TensorTable(source.config)) {
    if (spec.file != file) continue;
    const DType type = StoredType(spec, mix, source.config);
    const auto produce = [&source, spec, type]() -> Result<std::vector<std::byte>> {
      MCV_ASSIGN_OR_RETURN(std::vector<float> values, source.tensor(spec));
      if (values.size() != static_cast<size_t>(spec.elements())) {
        return Internal("tensor " + spec.id + ": expected " + std::to_string(spec.elements()) +
                        " values, got " + std::to_string(values.size()));
      }
      values = InFileOrder(std::move(values), spec, source.config.text);
      return Quantize(type, values, spec.rows, spec.cols);
    };
    writer.AddTensor(spec.gguf_name, type, {spec.gguf_dims.begin(), spec.gguf_dims.end()}, produce);
  }
}

void AddKeyPositions(const GgufExport& source, GgufWriter& writer) {
  const int side = source.config.vision.table_side;
  const int width = source.config.resampler.width;
  const DType type = source.vision_mix == QuantMix::kF32 ? DType::kF32 : DType::kF16;
  const int64_t rows = int64_t{side} * side;
  const auto produce = [side, width, type, rows] {
    std::vector<float> table(rows * width);
    FillSinCosTable(side, side, width, table);
    return Quantize(type, table, rows, width);
  };
  writer.AddTensor("resampler.pos_embed_k", type,
                   {static_cast<uint64_t>(width), static_cast<uint64_t>(rows)}, produce);
}

void AddTextKeys(const GgufExport& source, GgufWriter& writer) {
  const ModelConfig& config = source.config;
  const TextConfig& text = config.text;
  const std::string prefix = std::string(Row(text.arch).gguf_name) + ".";
  writer.AddString("general.architecture", Row(text.arch).gguf_name);
  writer.AddString("general.name", config.name);
  writer.AddString(kKeyVersion, config.row().short_name);
  writer.AddU32("general.file_type", MixOf(source.text_mix).file_type);
  writer.AddU32("general.quantization_version", 2);
  writer.AddU32(prefix + "context_length", text.max_positions);
  writer.AddU32(prefix + "embedding_length", text.width);
  writer.AddU32(prefix + "block_count", text.layers);
  writer.AddU32(prefix + "feed_forward_length", text.ffn);
  writer.AddU32(prefix + "attention.head_count", text.heads);
  writer.AddU32(prefix + "attention.head_count_kv", text.kv_heads);
  if (text.head_dim * text.heads != text.width) {
    writer.AddU32(prefix + "attention.key_length", text.head_dim);
    writer.AddU32(prefix + "attention.value_length", text.head_dim);
  }
  writer.AddF32(prefix + "rope.freq_base", text.rope_theta);
  writer.AddF32(prefix + "attention.layer_norm_rms_epsilon", text.rms_eps);
  writer.AddU32(prefix + "rope.dimension_count", text.head_dim);
  writer.AddU32(prefix + "vocab_size", text.vocab);
  if (Row(text.arch).minicpm_scales) {
    writer.AddF32(prefix + "embedding_scale", text.embedding_scale);
    writer.AddF32(prefix + "residual_scale", text.residual_scale);
    writer.AddF32(prefix + "logit_scale", text.logit_divisor);
  }
}

void AddVisionKeys(const GgufExport& source, GgufWriter& writer) {
  const ModelConfig& config = source.config;
  const VisionConfig& vision = config.vision;
  writer.AddString("general.architecture", "clip");
  writer.AddString("general.name", config.name);
  writer.AddString("general.description", "image encoder for MiniCPM-V");
  writer.AddString(kKeyVersion, config.row().short_name);
  writer.AddU32("general.file_type", MixOf(source.vision_mix).file_type);
  writer.AddBool("clip.has_text_encoder", false);
  writer.AddBool("clip.has_vision_encoder", true);
  writer.AddBool("clip.has_minicpmv_projector", true);
  writer.AddString("clip.projector_type", "resampler");
  writer.AddI32("clip.minicpmv_version", ClipVersionNumber(config.version));
  writer.AddU32("clip.minicpmv_query_num", config.resampler.queries);
  writer.AddU32("clip.vision.image_size", config.slicing.scale_resolution);
  writer.AddU32("clip.vision.patch_size", vision.patch);
  writer.AddU32("clip.vision.embedding_length", vision.width);
  writer.AddU32("clip.vision.feed_forward_length", vision.ffn);
  writer.AddU32("clip.vision.projection_dim", 0);
  writer.AddU32("clip.vision.attention.head_count", vision.heads);
  writer.AddF32("clip.vision.attention.layer_norm_epsilon", vision.norm_eps);
  writer.AddU32("clip.vision.block_count", vision.layers);
  writer.AddF32s("clip.vision.image_mean", {config.image_mean, config.image_mean + 3});
  writer.AddF32s("clip.vision.image_std", {config.image_std, config.image_std + 3});
  writer.AddBool("clip.use_gelu", true);
  if (vision.position_rule != PositionRule::kInterpolated) {
    writer.AddString(kKeyPositionRule, PositionRuleName(vision.position_rule));
  }
  if (config.row().slice_rule == SliceRule::kAdaptive) {
    writer.AddU32(kKeyMaxSlices, config.slicing.max_slices);
  }
  if (config.projector_predivided) writer.AddBool(kKeyPredivided, true);
}

}  // namespace

TensorGetter TensorsOf(const ModelFiles& files) {
  return [&files](const TensorSpec& spec) { return ReadTensor(files, spec); };
}

Result<QuantMix> FindQuantMix(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string known;
  for (const MixRow& row : kMixes) {
    if (row.name == lower) return row.mix;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return InvalidArgument("type " + Printable(name) + " is unknown; known are " + known);
}

std::string_view QuantMixName(QuantMix mix) { return MixOf(mix).name; }

DType StoredType(const TensorSpec& spec, QuantMix mix, const ModelConfig& config) {
  if (spec.is_vector()) return DType::kF32;
  return spec.file == TensorFile::kText ? TextType(spec, MixOf(mix), config.text)
                                        : VisionType(spec, MixOf(mix));
}

Status WriteTextGguf(const GgufExport& source, const std::string& path) {
  MCV_RETURN_IF_ERROR(Validate(source.config));
  const size_t vocab = static_cast<size_t>(source.config.text.vocab);
  if (source.tokenizer.tokens.size() != vocab || source.tokenizer.types.size() != vocab) {
    return InvalidArgument("the tokenizer has " + std::to_string(source.tokenizer.tokens.size()) +
                           " tokens and " + std::to_string(source.tokenizer.types.size()) +
                           " types, the model " + std::to_string(vocab) + " embeddings");
  }
  GgufWriter writer;
  AddTextKeys(source, writer);
  AddTokenizerKeys(source.tokenizer, writer);
  AddTensors(source, TensorFile::kText, source.text_mix, writer);
  return writer.Write(path);
}

Status WriteVisionGguf(const GgufExport& source, const std::string& path) {
  MCV_RETURN_IF_ERROR(Validate(source.config));
  if (!source.config.has_vision) return InvalidArgument(path + ": this model has no vision part");
  GgufWriter writer;
  AddVisionKeys(source, writer);
  AddTensors(source, TensorFile::kVision, source.vision_mix, writer);
  if (source.with_key_positions &&
      source.config.resampler.positions == ResamplerPositions::kSinCos) {
    AddKeyPositions(source, writer);
  }
  return writer.Write(path);
}

}  // namespace mcv
