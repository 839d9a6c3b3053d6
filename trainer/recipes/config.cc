#include "trainer/recipes/config.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/mapped_file.h"
#include "trainer/data/scoring.h"

namespace mcv::trainer {
namespace {

constexpr int kRampLevels = 10;

std::string NearestName(const std::string& name) {
  TrainConfig config;
  std::string nearest;
  int best = INT_MAX;
  TrainConfig::Visit(config, [&](const char* known, auto&, const char*) {
    const int distance = EditDistance(name, known);
    if (distance < best) {
      best = distance;
      nearest = known;
    }
  });
  return nearest;
}

// Is the value a whole number that the type can hold?
template <typename Integer>
bool IsIntegerOf(const nlohmann::json& value) {
  if (value.is_number_unsigned()) {
    return value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<Integer>::max());
  }
  return value.is_number_integer() && value.get<int64_t>() >= std::numeric_limits<Integer>::min();
}

}  // namespace

ModelConfig TrainConfig::Model(int vocabulary) const {
  ModelConfig model;
  model.version = Version::kV2_5;
  model.name = "minicpmv-nano";
  model.vision.width = vision_width;
  model.vision.layers = vision_layers;
  model.vision.heads = vision_heads;
  model.vision.ffn = vision_ffn;
  model.vision.position_rule = PositionRule::kGrid;
  model.vision.bucket_rule = BucketRule::kExact;
  model.resampler.queries = queries;
  model.resampler.width = width;
  model.resampler.kv_width = vision_width;
  model.resampler.heads = width / 128;
  model.text.layers = layers;
  model.text.width = width;
  model.text.ffn = ffn;
  model.text.heads = heads;
  model.text.kv_heads = kv_heads;
  model.text.head_dim = width / heads;
  model.text.vocab = vocabulary;
  model.text.max_positions = 2048;
  model.text.rope_theta = static_cast<float>(rope_theta);
  model.slicing.scale_resolution = scale_resolution;
  model.slicing.max_slices = 1;
  return model;
}

int TrainConfig::RampLevel(int64_t step) const {
  if (ramp_steps <= 0) return kRampLevels;
  return static_cast<int>(std::min<int64_t>(kRampLevels, step * kRampLevels / ramp_steps));
}

DataConfig TrainConfig::Data(int64_t step) const {
  const double along = static_cast<double>(RampLevel(step)) / kRampLevels;
  const double share = start_difficulty + (1.0 - start_difficulty) * along;
  DataConfig data;
  data.seed = static_cast<uint64_t>(seed);
  data.group_size = batch;
  data.scene_share = scene_share;
  data.word_share = word_share;
  data.line_share = line_share;
  data.scene_difficulty = scene_difficulty * share;
  data.word_difficulty = word_difficulty * share;
  data.min_turns = min_turns;
  data.max_turns = max_turns;
  return data;
}

Result<at::ScalarType> MatrixType(const std::string& precision, const torch::Device& device) {
  if (precision == "bf16") return at::kBFloat16;
  if (precision == "fp32") return at::kFloat;
  if (precision != "auto") {
    return InvalidArgument("precision is bf16, fp32 or auto, not \"" + precision + "\"");
  }
  if (!device.is_cpu()) return at::kBFloat16;
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("avx512bf16")) return at::kBFloat16;
#endif
  return at::kFloat;
}

std::string PrecisionName(at::ScalarType type) { return type == at::kBFloat16 ? "bf16" : "fp32"; }

Status ReadConfig(const std::string& path, TrainConfig& config) {
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 20));
  return ParseConfig(text, path, config);
}

Status ParseConfig(const std::string& text, const std::string& path, TrainConfig& config) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Corrupt(path + ": expected a JSON object of settings");
  for (const auto& [name, value] : json.items()) {
    bool known = false;
    bool fits = false;
    TrainConfig::Visit(config, [&](const char* setting, auto& field, const char*) {
      if (name != setting) return;
      known = true;
      using Field = std::decay_t<decltype(field)>;
      if constexpr (std::is_same_v<Field, std::string>) {
        fits = value.is_string();
      } else if constexpr (std::is_same_v<Field, bool>) {
        fits = value.is_boolean();
      } else if constexpr (std::is_integral_v<Field>) {
        fits = IsIntegerOf<Field>(value);
      } else {
        fits = value.is_number();
      }
      if (fits) field = value.template get<Field>();
    });
    if (!known) {
      return InvalidArgument(path + ": there is no setting \"" + name + "\"; did you mean \"" +
                             NearestName(name) + "\"?");
    }
    if (!fits) return InvalidArgument(path + ": setting \"" + name + "\" is of the wrong type");
  }
  return OkStatus();
}

std::string ConfigToJson(const TrainConfig& config) {
  nlohmann::ordered_json json;
  TrainConfig::Visit(config,
                     [&](const char* name, const auto& field, const char*) { json[name] = field; });
  return json.dump(1);
}

}  // namespace mcv::trainer
