#include "apps/bench/limit.h"

#include <algorithm>

#include "apps/bench/work.h"
#include "family/vision/slicing.h"

namespace mcv::bench {
namespace {

struct Rate {
  double ops = 0.0;
  const char* name = "";
};

// Products of floats: bf16 where the machine and the numerics have them, or whole numbers of 16
// bits.
Rate FloatRate(Numerics numerics, const Limits& machine) {
  if (numerics != Numerics::kExact && machine.bf16_ops > 0) return {machine.bf16_ops, "bf16"};
  if (numerics != Numerics::kExact && machine.int16_ops > 0) return {machine.int16_ops, "int16"};
  return {machine.fp32_ops, "fp32"};
}

// Products of the encoder's layers. Without int8 dot products int8 runs at the rate of the others
// (kernels/x86_avx2/leaf.h), which are then those of 16 bits.
Rate EncoderRate(const ModelFacts& model, const Limits& machine) {
  const bool dots = machine.int8_ops > 0 && machine.int16_ops <= 0;
  if (model.encoder_numerics == Numerics::kInt8 && dots) return {machine.int8_ops, "int8"};
  return FloatRate(model.encoder_numerics, machine);
}

// Products of the decoder's weights with many tokens.
Rate TextRate(const ModelFacts& model, const Limits& machine) {
  const bool fast = model.numerics != Numerics::kExact;
  if (fast && model.quantised && machine.int8_ops > 0) return {machine.int8_ops, "int8"};
  return FloatRate(model.numerics, machine);
}

double OperationsOf(const ModelConfig& config, PixelSize view) {
  const int64_t patch = config.vision.patch;
  return ViewOperations(config, (view.width / patch) * (view.height / patch));
}

std::optional<RowLimit> EncodeLimit(const ModelFacts& model, const Limits& machine, int side) {
  const Rate rate = EncoderRate(model, machine);
  if (rate.ops <= 0) return std::nullopt;
  const int views = PlanSlices(side, side, model.config.slicing).num_views();
  return RowLimit{PictureOperations(model.config, side) / views / rate.ops, rate.name};
}

std::optional<RowLimit> PrefillLimit(const ModelFacts& model, const Limits& machine,
                                     int64_t tokens) {
  const Rate rate = TextRate(model, machine);
  if (rate.ops <= 0) return std::nullopt;
  const double seconds = PrefillOperations(model.config.text, tokens) / rate.ops;
  return RowLimit{static_cast<double>(tokens) / seconds, rate.name};
}

// Weights once a token, and the cache as it grows.
std::optional<RowLimit> DecodeLimit(const ModelFacts& model, const Limits& machine, int64_t depth,
                                    int64_t decode_tokens) {
  if (machine.read_bytes <= 0 || model.weight_bytes_per_token == 0) return std::nullopt;
  const double held = static_cast<double>(depth) + static_cast<double>(decode_tokens) / 2.0;
  const double bytes = static_cast<double>(model.weight_bytes_per_token) +
                       static_cast<double>(model.cache_bytes_per_position) * held;
  return RowLimit{machine.read_bytes / bytes, "read"};
}

// Weights once for one token of each sequence, every one with a cache of its own; or the
// arithmetic, whichever takes longer.
std::optional<RowLimit> DecodeManyLimit(const ModelFacts& model, const Limits& machine,
                                        int64_t sequences, int64_t decode_tokens) {
  const Rate rate = TextRate(model, machine);
  if (machine.read_bytes <= 0 || rate.ops <= 0 || model.weight_bytes_per_token == 0) {
    return std::nullopt;
  }
  const double many = static_cast<double>(sequences);
  const double held =
      static_cast<double>(kManyPromptTokens) + static_cast<double>(decode_tokens) / 2.0;
  const double bytes = static_cast<double>(model.weight_bytes_per_token) +
                       many * static_cast<double>(model.cache_bytes_per_position) * held;
  const double reading = bytes / machine.read_bytes;
  const double computing = many * PrefillOperations(model.config.text, 1) / rate.ops;
  return RowLimit{many / std::max(reading, computing), reading > computing ? "read" : rate.name};
}

std::optional<RowLimit> FirstTokenLimit(const ModelFacts& model, const Limits& machine,
                                        int64_t prompt_tokens) {
  const Rate encode = EncoderRate(model, machine), prefill = TextRate(model, machine);
  if (prompt_tokens < 1 || encode.ops <= 0 || prefill.ops <= 0) return std::nullopt;
  const double seconds = PictureOperations(model.config, PictureSide(model.config)) / encode.ops +
                         PrefillOperations(model.config.text, prompt_tokens) / prefill.ops;
  const std::string basis = encode.name == std::string(prefill.name)
                                ? encode.name
                                : std::string(encode.name) + " + " + prefill.name;
  return RowLimit{seconds, basis};
}

}  // namespace

int ViewSide(const ModelConfig& config) { return config.slicing.scale_resolution; }
int PictureSide(const ModelConfig& config) { return 3 * config.slicing.scale_resolution; }
int PictureViews(const ModelConfig& config) {
  const int side = PictureSide(config);
  return PlanSlices(side, side, config.slicing).num_views();
}

double PictureOperations(const ModelConfig& config, int side) {
  const SlicePlan plan = PlanSlices(side, side, config.slicing);
  double operations = OperationsOf(config, plan.overview);
  if (plan.is_cut()) operations += plan.cols * plan.rows * OperationsOf(config, plan.cell);
  return operations;
}

std::optional<RowLimit> LimitOf(const Row& row, const ModelFacts& model, const Limits& machine,
                                int64_t prompt_tokens, int64_t decode_tokens) {
  switch (row.kind) {
    case RowKind::kEncodeView:
      return EncodeLimit(model, machine, ViewSide(model.config));
    case RowKind::kEncodePicture:
      return EncodeLimit(model, machine, PictureSide(model.config));
    case RowKind::kPrefill:
      return PrefillLimit(model, machine, row.tokens);
    case RowKind::kDecode:
      return DecodeLimit(model, machine, row.tokens, decode_tokens);
    case RowKind::kDecodeMany:
      return DecodeManyLimit(model, machine, row.tokens, decode_tokens);
    case RowKind::kFirstTokenWarm:
      return FirstTokenLimit(model, machine, prompt_tokens);
    case RowKind::kMemory: {
      if (prompt_tokens < 1) return std::nullopt;
      const uint64_t cache = model.cache_bytes_per_position * static_cast<uint64_t>(prompt_tokens);
      const uint64_t weights = std::max(model.text_bytes, model.vision_bytes);
      return RowLimit{static_cast<double>(weights + cache), "file + cache"};
    }
    case RowKind::kFirstTokenCold:
    case RowKind::kLoad:
      break;
  }
  return std::nullopt;
}

double ShareOfLimit(const Row& row, double value, const RowLimit& limit) {
  if (value <= 0 || limit.value <= 0) return 0.0;
  return LargerIsBetter(row) ? value / limit.value : limit.value / value;
}

}  // namespace mcv::bench
