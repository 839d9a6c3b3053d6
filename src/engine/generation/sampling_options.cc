#include "engine/generation/sampling_options.h"

#include <array>
#include <cmath>
#include <string>

namespace mcv {

namespace {

struct VersionSampling {
  Version version;
  float top_p;
  int top_k;
  float temperature;
  float repetition_penalty;
  int max_new_tokens;
};

constexpr std::array<VersionSampling, 4> kVersionSampling = {{
    {Version::kV1_0, 0.8f, 100, 0.6f, 1.0f, 2048},
    {Version::kV2_0, 0.8f, 100, 0.7f, 1.05f, 1024},
    {Version::kV2_5, 0.8f, 100, 0.7f, 1.05f, 1024},
    {Version::kV2_6, 0.8f, 100, 0.7f, 1.05f, 2048},
}};
constexpr int kPublishedBeams = 3;
constexpr float kPublishedBeamPenalty = 1.2f;

Status OutOfRange(const char* option, double value, const char* range) {
  return InvalidArgument(std::string(option) + " is " + std::to_string(value) + ", expected " +
                         range);
}

}  // namespace

Status Validate(const SamplingOptions& o) {
  if (!(o.temperature >= 0.0f && std::isfinite(o.temperature))) {
    return OutOfRange("temperature", o.temperature, "0 (greedy) or more");
  }
  if (o.top_k < 0) return OutOfRange("top-k", o.top_k, "0 (all) or more");
  if (!(o.top_p > 0.0f && o.top_p <= 1.0f)) return OutOfRange("top-p", o.top_p, "above 0, up to 1");
  if (!(o.min_p >= 0.0f && o.min_p < 1.0f)) return OutOfRange("min-p", o.min_p, "0 to below 1");
  if (!(o.repetition_penalty > 0.0f && std::isfinite(o.repetition_penalty))) {
    return OutOfRange("repetition penalty", o.repetition_penalty, "above 0 (1 = off)");
  }
  if (o.penalty_window < 0) {
    return OutOfRange("penalty window", o.penalty_window, "0 (all) or more");
  }
  if (o.num_beams < 1 || o.num_beams > 64) return OutOfRange("beams", o.num_beams, "1 to 64");
  if (!std::isfinite(o.length_penalty)) {
    return OutOfRange("length penalty", o.length_penalty, "a finite number");
  }
  return OkStatus();
}

SamplingDefaults DefaultSampling(Version version, SamplingPreset preset) {
  SamplingDefaults defaults;
  for (const VersionSampling& row : kVersionSampling) {
    if (row.version != version) continue;
    defaults.max_new_tokens = row.max_new_tokens;
    if (preset != SamplingPreset::kSampled) continue;
    defaults.options.temperature = row.temperature;
    defaults.options.top_k = row.top_k;
    defaults.options.top_p = row.top_p;
    defaults.options.repetition_penalty = row.repetition_penalty;
  }
  if (preset == SamplingPreset::kBeams) {
    defaults.options.num_beams = kPublishedBeams;
    defaults.options.repetition_penalty = kPublishedBeamPenalty;
  }
  return defaults;
}

}  // namespace mcv
