#include "family/config_hf.h"

#include <cmath>
#include <filesystem>

#include "base/mapped_file.h"
#include "family/json_object.h"
#include "family/model_location.h"
#include "formats/printable.h"

namespace mcv {
namespace {

using nlohmann::json;

constexpr size_t kMaxJsonBytes = size_t{4} << 20;

// vit_so400m_patch14_siglip_384, the only timm tower the family has (model-spec 1.3.1).
constexpr int kSo400mWidth = 1152;
constexpr int kSo400mLayers = 27;
constexpr int kSo400mHeads = 16;
constexpr int kSo400mFfn = 4304;
constexpr int kSo400mImage = 384;

// Reads both files into one ModelConfig; each Read method fills one part.
class HfConfigReader {
 public:
  HfConfigReader(const json& config, const json& preprocessor, const std::string& where)
      : where_(where),
        config_(config, where + "/config.json"),
        preprocessor_(preprocessor, where + "/preprocessor_config.json") {}

  Result<ModelConfig> Read();

 private:
  Result<Version> FindHfVersion();
  Status ReadText();
  Status ReadVision();
  Status ReadTimmVision();
  Status ReadSiglipVision();
  Status ReadResampler();
  Status ReadPictures();
  // A slicing number may stand in preprocessor_config.json (what the processor classes use), in
  // slice_config or at config.json's top: the first one counts.
  int SlicingInt(const char* key, int fallback);

  std::string where_;
  JsonObject config_;
  JsonObject preprocessor_;
  Status slicing_status_;
  ModelConfig out_;
};

Result<Version> HfConfigReader::FindHfVersion() {
  std::string stated = config_.VersionText("version");
  if (stated.empty()) stated = preprocessor_.VersionText("version");
  if (!stated.empty()) {
    auto version = FindVersion(stated);
    if (!version.ok()) return version.status().Annotate(where_);
    return version;
  }
  if (config_.Has("scale_emb") || config_.Has("vision_encoder")) {
    const bool slices = config_.Has("slice_mode")
                            ? config_.Bool("slice_mode", false)
                            : config_.Has("slice_config") || config_.Has("max_slice_nums") ||
                                  preprocessor_.Has("max_slice_nums");
    return slices ? Version::kV2_0 : Version::kV1_0;
  }
  std::string tower;
  if (const json* vision = config_.Find("vision_config")) {
    tower = JsonObject(*vision, where_).String("model_type", "");
  }
  if (tower.starts_with("idefics2")) return Version::kV2_5;
  if (tower.starts_with("siglip")) return Version::kV2_6;
  return Unsupported(where_ +
                     "/config.json: cannot tell the version: expected the key 'version', "
                     "'scale_emb' (1.0, 2.0) or a vision_config of type idefics2 (2.5) or siglip "
                     "(2.6); this program runs " +
                     VersionList());
}

Status HfConfigReader::ReadText() {
  TextConfig& text = out_.text;
  text.arch = out_.row().text_arch;
  text.layers = config_.Int("num_hidden_layers");
  text.width = config_.Int("hidden_size");
  text.ffn = config_.Int("intermediate_size");
  text.heads = config_.Int("num_attention_heads");
  text.kv_heads = config_.Int("num_key_value_heads", text.heads);
  text.head_dim = config_.Int("head_dim", text.heads > 0 ? text.width / text.heads : 0);
  text.vocab = config_.Int("vocab_size");
  text.max_positions = config_.Int("max_position_embeddings", 2048);
  text.rms_eps = static_cast<float>(config_.Real("rms_norm_eps", 1e-6));
  text.rope_theta = static_cast<float>(config_.Real("rope_theta", 10000.0));
  text.rope_pairing = RopePairing::kHalves;
  text.qkv_bias = Row(text.arch).qkv_bias;
  text.tied_head = config_.Bool("tie_word_embeddings", false);
  if (config_.Has("rope_scaling")) {
    return Unsupported(where_ +
                       "/config.json: rope_scaling is set; only plain rotary positions "
                       "are supported");
  }
  const std::string activation = config_.String("hidden_act", "silu");
  if (activation != "silu") {
    return Unsupported(where_ + "/config.json: hidden_act is " + Printable(activation) +
                       ", expected silu");
  }
  if (Row(text.arch).minicpm_scales && text.layers > 0) {
    text.embedding_scale = static_cast<float>(config_.Real("scale_emb"));
    text.residual_scale =
        static_cast<float>(config_.Real("scale_depth") / std::sqrt(double(text.layers)));
    text.logit_divisor = static_cast<float>(text.width / config_.Real("dim_model_base"));
  }
  return config_.status();
}

Status HfConfigReader::ReadTimmVision() {
  VisionConfig& vision = out_.vision;
  const json* sizes = config_.Find("vision_encoder_config");
  const std::string encoder = config_.String("vision_encoder", "");
  if (!sizes && !encoder.starts_with("vit_so400m_patch14_siglip")) {
    return Unsupported(where_ + "/config.json: vision_encoder is " + Printable(encoder) +
                       ", expected vit_so400m_patch14_siglip_384 (or its sizes in "
                       "vision_encoder_config)");
  }
  static const json kNone = json::object();
  JsonObject tower(sizes ? *sizes : kNone, where_ + "/config.json: vision_encoder_config");
  vision.width = tower.Int("embed_dim", kSo400mWidth);
  vision.layers = tower.Int("depth", kSo400mLayers);
  vision.heads = tower.Int("num_heads", kSo400mHeads);
  vision.ffn = tower.Int("mlp_hidden", kSo400mFfn);
  vision.patch = tower.Int("patch_size", 14);
  const int image = tower.Int("img_size", kSo400mImage);
  vision.table_side = vision.patch > 0 ? image / vision.patch : 0;
  return tower.status();
}

Status HfConfigReader::ReadSiglipVision() {
  VisionConfig& vision = out_.vision;
  const json* sizes = config_.Find("vision_config");
  if (!sizes) return Corrupt(where_ + "/config.json: key 'vision_config': it is missing");
  JsonObject tower(*sizes, where_ + "/config.json: vision_config");
  vision.width = tower.Int("hidden_size");
  vision.layers = tower.Int("num_hidden_layers");
  vision.heads = tower.Int("num_attention_heads");
  vision.ffn = tower.Int("intermediate_size");
  vision.patch = tower.Int("patch_size", 14);
  vision.norm_eps = static_cast<float>(tower.Real("layer_norm_eps", 1e-6));
  const int image = tower.Int("image_size", 980);
  vision.table_side = vision.patch > 0 ? image / vision.patch : 0;
  const std::string activation = tower.String("hidden_act", "gelu_pytorch_tanh");
  if (activation != "gelu_pytorch_tanh") {
    return Unsupported(where_ + "/config.json: vision hidden_act is " + Printable(activation) +
                       ", expected gelu_pytorch_tanh");
  }
  return tower.status();
}

Status HfConfigReader::ReadVision() {
  VisionConfig& vision = out_.vision;
  const VersionRow& row = out_.row();
  vision.activation = row.activation;
  vision.position_rule = row.position_rule;
  vision.norm_eps = 1e-6f;
  MCV_RETURN_IF_ERROR(row.vision_names == VisionNames::kTimm ? ReadTimmVision()
                                                             : ReadSiglipVision());
  // The layer count states the tower as built; the checkpoint lacks the layer that is dropped.
  // True is the published configuration class's default.
  if (config_.Bool("drop_vision_last_layer", true)) --vision.layers;
  if (config_.Has("position_rule")) {
    const auto rule = FindPositionRule(config_.String("position_rule", ""));
    if (!rule.ok()) return rule.status().Annotate(where_ + "/config.json");
    vision.position_rule = *rule;
  }
  return config_.status();
}

Status HfConfigReader::ReadResampler() {
  ResamplerConfig& resampler = out_.resampler;
  resampler.queries = config_.Int("query_num", out_.row().default_queries);
  resampler.width = out_.text.width;
  resampler.kv_width = out_.vision.width;
  resampler.heads = resampler.width / 128;
  resampler.norm_eps = 1e-6f;
  resampler.positions = out_.row().resampler_positions;
  const int stated = preprocessor_.Int("image_feature_size", resampler.queries);
  if (preprocessor_.status().ok() && stated != resampler.queries) {
    return Corrupt(where_ + ": config.json has query_num " + std::to_string(resampler.queries) +
                   " but preprocessor_config.json has image_feature_size " +
                   std::to_string(stated));
  }
  return config_.status();
}

int HfConfigReader::SlicingInt(const char* key, int fallback) {
  if (preprocessor_.Has(key)) return preprocessor_.Int(key);
  if (const json* slices = config_.Find("slice_config")) {
    JsonObject object(*slices, where_ + "/config.json: slice_config");
    const int value = object.Int(key, fallback);
    if (slicing_status_.ok()) slicing_status_ = object.status();
    if (object.Has(key)) return value;
  }
  return config_.Int(key, fallback);
}

Status HfConfigReader::ReadPictures() {
  SliceConfig& slicing = out_.slicing;
  slicing.rule = out_.row().slice_rule;
  slicing.patch = out_.vision.patch;
  slicing.scale_resolution = SlicingInt("scale_resolution", config_.Int("image_size", 448));
  const bool cuts = slicing.rule == SliceRule::kAdaptive && config_.Bool("slice_mode", true);
  slicing.max_slices = cuts ? SlicingInt("max_slice_nums", 9) : 1;
  preprocessor_.Triple("norm_mean", out_.image_mean);
  preprocessor_.Triple("norm_std", out_.image_std);
  MCV_RETURN_IF_ERROR(slicing_status_);
  MCV_RETURN_IF_ERROR(preprocessor_.status());
  return config_.status();
}

Result<ModelConfig> HfConfigReader::Read() {
  MCV_ASSIGN_OR_RETURN(out_.version, FindHfVersion());
  MCV_RETURN_IF_ERROR(ReadText());
  MCV_RETURN_IF_ERROR(ReadVision());
  MCV_RETURN_IF_ERROR(ReadResampler());
  MCV_RETURN_IF_ERROR(ReadPictures());
  out_.name = FolderModelName(where_);
  const Status valid = Validate(out_);
  if (!valid.ok()) return valid.Annotate(where_);
  return out_;
}

}  // namespace

Result<ModelConfig> ParseHfConfig(const std::string& config_json,
                                  const std::string& preprocessor_json, const std::string& where) {
  MCV_ASSIGN_OR_RETURN(const json config, ParseJsonObject(config_json, where + "/config.json"));
  json preprocessor = json::object();
  if (!preprocessor_json.empty()) {
    MCV_ASSIGN_OR_RETURN(preprocessor,
                         ParseJsonObject(preprocessor_json, where + "/preprocessor_config.json"));
  }
  return HfConfigReader(config, preprocessor, where).Read();
}

Result<ModelConfig> ReadHfConfig(const std::string& folder) {
  std::string where = folder;
  while (where.size() > 1 && where.back() == '/') where.pop_back();
  MCV_ASSIGN_OR_RETURN(const std::string config, ReadFile(where + "/config.json", kMaxJsonBytes));
  std::string preprocessor;
  const std::string path = where + "/preprocessor_config.json";
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    MCV_ASSIGN_OR_RETURN(preprocessor, ReadFile(path, kMaxJsonBytes));
  }
  return ParseHfConfig(config, preprocessor, where);
}

}  // namespace mcv
