// Which settings make sense, and which may change between the parts of one run.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <type_traits>

#include "trainer/recipes/config.h"
#include "trainer/recipes/stage.h"

namespace mcv::trainer {
namespace {

struct Range {
  double least;
  double most;
};

constexpr double kMany = 1e15;
// Below one by as much as a float tells apart.
constexpr double kBelowOne = 1.0 - 1e-7;

// Every numeric setting.
const std::map<std::string, Range, std::less<>>& Ranges() {
  static const auto* ranges = new std::map<std::string, Range, std::less<>>{
      {"vision-width", {1, 65536}},
      {"vision-layers", {1, 1000}},
      {"vision-heads", {1, 1024}},
      {"vision-ffn", {1, 1 << 20}},
      {"queries", {1, 4096}},
      {"width", {128, 65536}},
      {"layers", {1, 1000}},
      {"heads", {1, 1024}},
      {"kv-heads", {1, 1024}},
      {"ffn", {1, 1 << 20}},
      {"rope-theta", {1, 1e9}},
      {"scale-resolution", {14, 980}},
      {"seed", {0, 9e18}},
      {"batch", {1, 65536}},
      {"scene-share", {0, 1e6}},
      {"word-share", {0, 1e6}},
      {"line-share", {0, 1e6}},
      {"scene-difficulty", {0, 1}},
      {"word-difficulty", {0, 1}},
      {"start-difficulty", {0, 1}},
      {"ramp-steps", {0, kMany}},
      {"min-turns", {1, 100}},
      {"max-turns", {1, 100}},
      {"loader-threads", {1, 1024}},
      {"steps", {1, kMany}},
      {"warmup", {0, kMany}},
      {"decay-share", {0, 1}},
      {"lr", {0, 1000}},
      {"min-lr-share", {0, 1}},
      {"weight-decay", {0, 1000}},
      {"beta1", {0, kBelowOne}},
      {"beta2", {0, kBelowOne}},
      {"momentum", {0, kBelowOne}},
      {"clip", {0, 1e9}},
      {"ema", {0, kBelowOne}},
      {"dense-weight", {0, 1e6}},
      {"place-weight", {0, 1e6}},
      {"number-weight", {0, 1e6}},
      {"presence-weight", {0, 1e6}},
      {"threads", {1, 1024}},
      {"log-every", {1, kMany}},
      {"checkpoint-minutes", {0, 1e9}},
      {"keep-checkpoints", {1, 1e6}},
      {"max-minutes", {0, 1e9}},
  };
  return *ranges;
}

// What may change when a run goes on: it decides no weight, or no longer. The tokenizers themselves
// are compared, the devices round differently and nothing more.
const std::set<std::string, std::less<>>& MayChange() {
  static const auto* names = new std::set<std::string, std::less<>>{
      "run-dir",          "tokenizer-dir", "init",    "init-parts", "resume",
      "loader-threads",   "device",        "threads", "log-every",  "checkpoint-minutes",
      "keep-checkpoints", "max-minutes"};
  return *names;
}

std::string Text(double number) {
  std::ostringstream text;
  text.precision(15);
  text << number;
  return text.str();
}

Status CheckRanges(const TrainConfig& config) {
  Status status = OkStatus();
  TrainConfig::Visit(config, [&](const char* name, const auto& field, const char*) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(field)>> &&
                  !std::is_same_v<std::decay_t<decltype(field)>, bool>) {
      const auto range = Ranges().find(name);
      MCV_CHECK(range != Ranges().end());
      const double value = static_cast<double>(field);
      // A NaN is in no range.
      if (!status.ok() || (value >= range->second.least && value <= range->second.most)) return;
      status = InvalidArgument("setting \"" + std::string(name) + "\" is " + Text(value) +
                               ", expected " + Text(range->second.least) + " to " +
                               Text(range->second.most));
    }
  });
  return status;
}

Status CheckName(const char* setting, const std::string& value,
                 const std::vector<std::string>& names) {
  std::string known;
  for (const std::string& name : names) {
    if (value == name) return OkStatus();
    known += (known.empty() ? "\"" : ", \"") + name + "\"";
  }
  return InvalidArgument("setting \"" + std::string(setting) + "\" is \"" + value +
                         "\", expected one of " + known);
}

Status CheckInitParts(const std::string& parts) {
  std::istringstream list(parts);
  for (std::string part; std::getline(list, part, ',');) {
    const bool known =
        std::any_of(kModelParts.begin(), kModelParts.end(),
                    [&](std::string_view name) { return part.compare(0, name.size(), name) == 0; });
    if (known || part.empty()) continue;
    return InvalidArgument("setting \"init-parts\" has \"" + part +
                           "\", which begins with none of vpm., resampler., llm., aux.");
  }
  return OkStatus();
}

Status CheckFits(bool fits, const char* what) {
  return fits ? OkStatus() : InvalidArgument(std::string("settings do not fit: ") + what);
}

}  // namespace

Status CheckConfig(const TrainConfig& config) {
  MCV_RETURN_IF_ERROR(CheckRanges(config));
  MCV_RETURN_IF_ERROR(FindStage(config.stage).status());
  MCV_RETURN_IF_ERROR(CheckName("optimizer", config.optimizer, {"muon", "adamw"}));
  MCV_RETURN_IF_ERROR(CheckName("schedule", config.schedule, {"flat", "cosine"}));
  MCV_RETURN_IF_ERROR(CheckName("precision", config.precision, {"bf16", "fp32", "auto"}));
  if (config.device.rfind("cuda:", 0) != 0 || config.device.size() != 6) {
    MCV_RETURN_IF_ERROR(CheckName("device", config.device, {"cpu", "cuda"}));
  }
  MCV_RETURN_IF_ERROR(CheckInitParts(config.init_parts));
  MCV_RETURN_IF_ERROR(CheckFits(!config.run_dir.empty(), "run-dir is empty"));
  MCV_RETURN_IF_ERROR(CheckFits(config.width % 128 == 0, "width must be a multiple of 128"));
  MCV_RETURN_IF_ERROR(CheckFits(config.width % (2 * config.heads) == 0,
                                "width must be a multiple of twice the heads"));
  MCV_RETURN_IF_ERROR(
      CheckFits(config.heads % config.kv_heads == 0, "heads must be a multiple of kv-heads"));
  MCV_RETURN_IF_ERROR(CheckFits(config.vision_width % config.vision_heads == 0,
                                "vision-width must be a multiple of vision-heads"));
  MCV_RETURN_IF_ERROR(
      CheckFits(config.max_turns >= config.min_turns, "max-turns is less than min-turns"));
  return CheckFits(config.scene_share + config.word_share + config.line_share > 0,
                   "scene-share, word-share and line-share are all 0");
}

Status CheckSameRun(const TrainConfig& saved, const TrainConfig& now, const std::string& where) {
  const auto before = nlohmann::json::parse(ConfigToJson(saved));
  std::string changed;
  const auto after = nlohmann::ordered_json::parse(ConfigToJson(now));
  for (const auto& [name, value] : after.items()) {
    // What "auto" became was not always saved.
    const bool unknown = name == "precision" && before.at(name) == "auto";
    if (unknown || MayChange().contains(name) || before.at(name) == nlohmann::json(value)) continue;
    changed += (changed.empty() ? "" : ", ") + name + " (" + before.at(name).dump() + ", now " +
               value.dump() + ")";
  }
  if (changed.empty()) return OkStatus();
  return InvalidArgument(where + ": the run was begun with other settings: " + changed +
                         "; go on with --settings RUN/config.json --resume, or start another run "
                         "from its weights with --init and another --run-dir");
}

}  // namespace mcv::trainer
