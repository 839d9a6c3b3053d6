#include "family/config_gguf.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>

#include "formats/printable.h"

namespace mcv {
namespace {

// What converters without the mean and std options wrote by mistake (model-spec 3.4.4): OpenAI
// CLIP's. No version of the family was trained with it.
constexpr float kClipMean0 = 0.48145466f;

// Typed access to one file's keys; the first error sticks, later getters return fallbacks.
class KeyReader {
 public:
  explicit KeyReader(const GgufFile& file) : file_(file) {}
  const Status& status() const { return status_; }
  bool Has(const std::string& key) const { return file_.FindKey(key) != nullptr; }

  int Int(const std::string& key) {
    // head_count_kv and feed_forward_length may be stored per layer; equal entries mean one number.
    const GgufValue* value = file_.FindKey(key);
    if (value && value->type == GgufType::kArray) return IntOfArray(key);
    const uint64_t number = Take(file_.GetUint(key), uint64_t{0});
    if (number > static_cast<uint64_t>(std::numeric_limits<int>::max())) {
      Fail(Corrupt(file_.name() + ": key '" + key + "' is " + std::to_string(number) +
                   ", expected at most 2147483647"));
      return 0;
    }
    return static_cast<int>(number);
  }
  int Int(const std::string& key, int fallback) { return Has(key) ? Int(key) : fallback; }
  float Real(const std::string& key) { return static_cast<float>(Take(file_.GetFloat(key), 0.0)); }
  float Real(const std::string& key, double fallback) {
    return Has(key) ? Real(key) : static_cast<float>(fallback);
  }
  bool Bool(const std::string& key, bool fallback) {
    return Has(key) ? Take(file_.GetBool(key), fallback) : fallback;
  }
  std::string String(const std::string& key, std::string_view fallback) {
    return std::string(Has(key) ? Take(file_.GetString(key), std::string_view()) : fallback);
  }

 private:
  int IntOfArray(const std::string& key) {
    const auto values = Take(file_.GetInts(key), std::span<const int64_t>());
    bool equal = !values.empty() && values[0] >= 0 && values[0] <= 1 << 30;
    for (int64_t value : values) equal = equal && value == values[0];
    if (!equal) {
      Fail(Unsupported(file_.name() + ": key '" + key + "' differs between layers"));
      return 0;
    }
    return static_cast<int>(values[0]);
  }
  template <typename T>
  T Take(const Result<T>& result, T fallback) {
    if (result.ok()) return *result;
    Fail(result.status());
    return fallback;
  }
  void Fail(const Status& status) {
    if (status_.ok()) status_ = status;
  }

  const GgufFile& file_;
  Status status_;
};

// The row that a clip.minicpmv_version number names, if this program has one.
Result<Version> VersionOfClipNumber(int64_t number, const std::string& file) {
  for (const VersionRow& row : AllVersions()) {
    if (row.gguf_version != 0 && row.gguf_version == number) return row.version;
  }
  return Unsupported(file + ": clip.minicpmv_version is " + std::to_string(number) +
                     ", which this program does not run; it runs 1 (2.0), 2 (2.5) and 3 (2.6)");
}

Result<std::optional<Version>> StatedVersion(const GgufFile& file) {
  if (!file.FindKey(kKeyVersion)) return std::optional<Version>();
  MCV_ASSIGN_OR_RETURN(const std::string_view text, file.GetString(kKeyVersion));
  const auto version = FindVersion(text);
  if (!version.ok()) return version.status().Annotate(file.name());
  return std::optional<Version>(*version);
}

// An LLM alone: the newest version of its architecture.
Version VersionOfTextArch(TextArch arch) {
  Version found = Version::kV2_5;
  for (const VersionRow& row : AllVersions()) {
    if (row.text_arch == arch) found = row.version;
  }
  return found;
}

Status CheckProjectorKind(const GgufFile& vision) {
  KeyReader keys(vision);
  const std::string arch = keys.String("general.architecture", "");
  const std::string projector = keys.String("clip.projector_type", "resampler");
  MCV_RETURN_IF_ERROR(keys.status());
  if (arch != "clip") {
    return InvalidArgument(vision.name() + ": general.architecture is " + Printable(arch) +
                           ", expected 'clip' (the mmproj file of a MiniCPM-V pair)");
  }
  if (projector != "resampler") {
    return Unsupported(vision.name() + ": clip.projector_type is " + Printable(projector) +
                       ", expected 'resampler' (MiniCPM-V)");
  }
  return OkStatus();
}

Result<Version> FindPairVersion(const GgufFile& text, const GgufFile* vision, TextArch arch) {
  MCV_ASSIGN_OR_RETURN(const std::optional<Version> of_text, StatedVersion(text));
  if (!vision) return of_text.value_or(VersionOfTextArch(arch));
  MCV_RETURN_IF_ERROR(CheckProjectorKind(*vision));
  MCV_ASSIGN_OR_RETURN(const std::optional<Version> of_vision, StatedVersion(*vision));
  if (of_text && of_vision && *of_text != *of_vision) {
    return InvalidArgument("the two files do not belong together: " + text.name() + " is of " +
                           std::string(Row(*of_text).name) + ", " + vision->name() + " of " +
                           std::string(Row(*of_vision).name));
  }
  const std::optional<Version> stated = of_vision ? of_vision : of_text;
  if (vision->FindKey("clip.minicpmv_version")) {
    MCV_ASSIGN_OR_RETURN(const int64_t number, vision->GetInt("clip.minicpmv_version"));
    if (!stated) return VersionOfClipNumber(number, vision->name());
    if (number != ClipVersionNumber(*stated)) {
      return InvalidArgument("the two files do not belong together: " + vision->name() +
                             " has clip.minicpmv_version " + std::to_string(number) + ", but " +
                             kKeyVersion + " says " + std::string(Row(*stated).short_name));
    }
  }
  if (stated) return *stated;
  return arch == TextArch::kMiniCpm ? Version::kV2_0 : Version::kV2_5;
}

Status CheckTextFeatures(const GgufFile& file, const std::string& prefix, const TextConfig& text) {
  KeyReader keys(file);
  const std::string scaling = keys.String(prefix + "rope.scaling.type", "none");
  const int rotated = keys.Int(prefix + "rope.dimension_count", text.head_dim);
  const int value_width = keys.Int(prefix + "attention.value_length", text.head_dim);
  MCV_RETURN_IF_ERROR(keys.status());
  if (scaling != "none") {
    return Unsupported(file.name() + ": " + prefix + "rope.scaling.type is " + Printable(scaling) +
                       "; only plain rotary positions are supported");
  }
  if (rotated != text.head_dim || value_width != text.head_dim) {
    return Unsupported(file.name() + ": heads of " + std::to_string(text.head_dim) + " with " +
                       std::to_string(rotated) + " rotated dimensions and values of " +
                       std::to_string(value_width) + "; expected all three to be equal");
  }
  return OkStatus();
}

Result<TextConfig> ReadText(const GgufFile& file, const TextArchRow& arch) {
  KeyReader keys(file);
  const std::string prefix = std::string(arch.gguf_name) + ".";
  TextConfig text;
  text.arch = arch.arch;
  text.layers = keys.Int(prefix + "block_count");
  text.width = keys.Int(prefix + "embedding_length");
  text.ffn = keys.Int(prefix + "feed_forward_length");
  text.heads = keys.Int(prefix + "attention.head_count");
  text.kv_heads = keys.Int(prefix + "attention.head_count_kv", text.heads);
  text.head_dim =
      keys.Int(prefix + "attention.key_length", text.heads > 0 ? text.width / text.heads : 0);
  text.max_positions = keys.Int(prefix + "context_length");
  text.rms_eps = keys.Real(prefix + "attention.layer_norm_rms_epsilon");
  text.rope_theta = keys.Real(prefix + "rope.freq_base", 10000.0);
  text.rope_pairing = arch.gguf_pairing;
  text.qkv_bias = arch.qkv_bias;
  text.tied_head = file.FindTensor("output.weight") == nullptr;
  if (keys.Has(prefix + "vocab_size")) {
    text.vocab = keys.Int(prefix + "vocab_size");
  } else {
    MCV_ASSIGN_OR_RETURN(const auto tokens, file.GetStrings("tokenizer.ggml.tokens"));
    text.vocab = static_cast<int>(std::min<size_t>(tokens.size(), 1 << 30));
  }
  if (arch.minicpm_scales && text.layers > 0) {
    // Old converters wrote none of the three; these are the published models' (model-spec 3.4.1).
    text.embedding_scale = keys.Real(prefix + "embedding_scale", 12.0);
    text.residual_scale =
        keys.Real(prefix + "residual_scale", 1.4 / std::sqrt(double(text.layers)));
    text.logit_divisor = keys.Real(prefix + "logit_scale", text.width / 256.0);
  }
  MCV_RETURN_IF_ERROR(keys.status());
  MCV_RETURN_IF_ERROR(CheckTextFeatures(file, prefix, text));
  return text;
}

// The position table's side follows from its tensor: the keys do not say it.
Result<int> TableSide(const GgufFile& file) {
  const GgufTensor* table = file.FindTensor("v.position_embd.weight");
  if (!table) return NotFound(file.name() + ": tensor v.position_embd.weight is missing");
  const int64_t rows = static_cast<int64_t>(std::min<uint64_t>(table->rows(), 1u << 24));
  const int64_t side = std::llround(std::sqrt(static_cast<double>(rows)));
  if (side * side != rows) {
    return Corrupt(file.name() + ": v.position_embd.weight has " + std::to_string(rows) +
                   " rows, expected a square (4900 or 729)");
  }
  return static_cast<int>(side);
}

Status ReadMeanAndStd(const GgufFile& file, ModelConfig& out) {
  const std::pair<const char*, float*> arrays[] = {{"clip.vision.image_mean", out.image_mean},
                                                   {"clip.vision.image_std", out.image_std}};
  if (file.FindKey(arrays[0].first)) {
    MCV_ASSIGN_OR_RETURN(const auto mean, file.GetFloats(arrays[0].first));
    if (!mean.empty() && std::fabs(mean[0] - kClipMean0) < 1e-5) return OkStatus();
  }
  for (const auto& [key, values] : arrays) {
    if (!file.FindKey(key)) continue;
    MCV_ASSIGN_OR_RETURN(const auto stored, file.GetFloats(key));
    if (stored.size() != 3) {
      return Corrupt(file.name() + ": key '" + key + "' has " + std::to_string(stored.size()) +
                     " values, expected 3");
    }
    for (int i = 0; i < 3; ++i) values[i] = static_cast<float>(stored[i]);
  }
  return OkStatus();
}

Status ReadVision(const GgufFile& file, ModelConfig& out) {
  KeyReader keys(file);
  const VersionRow& row = out.row();
  VisionConfig& vision = out.vision;
  vision.width = keys.Int("clip.vision.embedding_length");
  vision.layers = keys.Int("clip.vision.block_count");
  vision.heads = keys.Int("clip.vision.attention.head_count");
  vision.ffn = keys.Int("clip.vision.feed_forward_length");
  vision.patch = keys.Int("clip.vision.patch_size", 14);
  vision.norm_eps = keys.Real("clip.vision.attention.layer_norm_epsilon", 1e-6);
  vision.activation = row.activation;
  vision.position_rule = row.position_rule;
  MCV_ASSIGN_OR_RETURN(vision.table_side, TableSide(file));
  if (keys.Has(kKeyPositionRule)) {
    const auto rule = FindPositionRule(keys.String(kKeyPositionRule, ""));
    if (!rule.ok()) return rule.status().Annotate(file.name());
    vision.position_rule = *rule;
  }
  SliceConfig& slicing = out.slicing;
  slicing.rule = row.slice_rule;
  slicing.patch = vision.patch;
  slicing.scale_resolution = keys.Int("clip.vision.image_size", 448);
  slicing.max_slices = row.slice_rule == SliceRule::kSquash ? 1 : keys.Int(kKeyMaxSlices, 9);
  out.projector_predivided = keys.Bool(kKeyPredivided, false);
  MCV_RETURN_IF_ERROR(keys.status());
  return ReadMeanAndStd(file, out);
}

Status ReadResampler(const GgufFile& text, const GgufFile& vision, ModelConfig& out) {
  const GgufTensor* query = vision.FindTensor("resampler.query");
  if (!query || query->dims.size() < 2) {
    return NotFound(vision.name() + ": tensor resampler.query [width, queries] is missing");
  }
  const auto width = static_cast<int64_t>(std::min<uint64_t>(query->columns(), 1u << 24));
  const auto queries = static_cast<int>(std::min<uint64_t>(query->rows(), 1u << 24));
  if (width != out.text.width) {
    return InvalidArgument("the two files do not belong together: the resampler of " +
                           vision.name() + " ends in " + std::to_string(width) +
                           " columns (tensor resampler.query), the language model of " +
                           text.name() + " is " + std::to_string(out.text.width) + " wide");
  }
  KeyReader keys(vision);
  const int stated = keys.Int("clip.minicpmv_query_num", 0);
  MCV_RETURN_IF_ERROR(keys.status());
  if (stated != 0 && stated != queries) {
    return Corrupt(vision.name() + ": clip.minicpmv_query_num is " + std::to_string(stated) +
                   " but tensor resampler.query has " + std::to_string(queries) + " rows");
  }
  ResamplerConfig& resampler = out.resampler;
  resampler.queries = queries;
  resampler.width = out.text.width;
  resampler.kv_width = out.vision.width;
  resampler.heads = resampler.width / 128;
  resampler.norm_eps = out.vision.norm_eps;
  resampler.positions = out.row().resampler_positions;
  return OkStatus();
}

Status CheckTokenizerKind(const GgufFile& file, const VersionRow& row) {
  if (!file.FindKey("tokenizer.ggml.model")) return OkStatus();  // the tokenizer's loader answers
  MCV_ASSIGN_OR_RETURN(const std::string_view model, file.GetString("tokenizer.ggml.model"));
  const bool pieces = row.tokenizer == TokenizerKind::kSentencePiece;
  const std::string_view expected = pieces ? "llama" : "gpt2";
  if (model == expected) return OkStatus();
  return Unsupported(file.name() + ": tokenizer.ggml.model is " + Printable(model) +
                     ", expected '" + std::string(expected) + "' for " + std::string(row.name));
}

}  // namespace

int32_t ClipVersionNumber(Version version) {
  const int number = Row(version).gguf_version;
  return number != 0 ? number : Row(Version::kV2_0).gguf_version;
}

bool IsMmprojGguf(const GgufFile& file) {
  const auto arch = file.GetString("general.architecture");
  return arch.ok() && *arch == "clip";
}

Result<ModelConfig> ReadGgufConfig(const GgufFile& text, const GgufFile* vision) {
  MCV_ASSIGN_OR_RETURN(const std::string_view arch_name, text.GetString("general.architecture"));
  const TextArchRow* arch = FindTextArch(arch_name);
  if (!arch) {
    return Unsupported(text.name() + ": general.architecture is " + Printable(arch_name) +
                       ", expected minicpm (1.0, 2.0), llama (2.5) or qwen2 (2.6)" +
                       (arch_name == "clip" ? "; this is an mmproj file, give the language "
                                              "model's file first"
                                            : ""));
  }
  ModelConfig out;
  MCV_ASSIGN_OR_RETURN(out.version, FindPairVersion(text, vision, arch->arch));
  if (out.row().text_arch != arch->arch) {
    return InvalidArgument(
        "the two files do not belong together: " + (vision ? vision->name() : text.name()) +
        " is of " + std::string(out.row().name) + ", whose language model is " +
        std::string(Row(out.row().text_arch).gguf_name) + "; " + text.name() + " is " +
        std::string(arch_name));
  }
  MCV_RETURN_IF_ERROR(CheckTokenizerKind(text, out.row()));
  MCV_ASSIGN_OR_RETURN(out.text, ReadText(text, *arch));
  out.has_vision = vision != nullptr;
  if (vision) {
    MCV_RETURN_IF_ERROR(ReadVision(*vision, out));
    MCV_RETURN_IF_ERROR(ReadResampler(text, *vision, out));
  }
  const auto name = text.GetString("general.name");
  out.name = name.ok() ? std::string(*name) : std::filesystem::path(text.name()).stem().string();
  const Status valid = Validate(out);
  if (!valid.ok()) return valid.Annotate(text.name());
  return out;
}

}  // namespace mcv
