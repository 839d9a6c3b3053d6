// The one place where a configuration from outside is held against everything the code relies on.
// The limits leave room for models several times the family's size and keep every product of two of
// them far inside 63 bits.
#include "family/config.h"

#include <cmath>
#include <initializer_list>

#include "base/checked.h"
#include "family/number_text.h"

namespace mcv {
namespace {

constexpr int64_t kMaxWidth = 65536;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxVocab = int64_t{1} << 22;
constexpr int64_t kMaxQueries = 4096;
constexpr int64_t kMaxTableSide = 1024;
constexpr int64_t kMaxPatch = 64;
constexpr int64_t kMaxPositions = int64_t{1} << 24;
constexpr int64_t kMaxResolution = 8192;
constexpr int64_t kMaxSlices = 64;
// One tensor's elements; the published models' largest (the token table) has 0.5e9.
constexpr int64_t kMaxElements = int64_t{1} << 36;

// Collects the first thing that is wrong, so that the checks read as a list.
class Checker {
 public:
  const Status& status() const { return status_; }

  void Range(const char* what, int64_t value, int64_t low, int64_t high) {
    if (!status_.ok() || (value >= low && value <= high)) return;
    Fail(std::string(what) + " is " + std::to_string(value) + ", expected " + std::to_string(low) +
         " to " + std::to_string(high));
  }
  void Divides(const char* divisor_name, int64_t divisor, const char* what, int64_t value) {
    if (!status_.ok() || (divisor > 0 && value % divisor == 0)) return;
    Fail(std::string(what) + " " + std::to_string(value) + " is not a multiple of " + divisor_name +
         " " + std::to_string(divisor));
  }
  void Equal(const char* what, int64_t value, const char* other, int64_t expected) {
    if (!status_.ok() || value == expected) return;
    Fail(std::string(what) + " is " + std::to_string(value) + " but " + other + " is " +
         std::to_string(expected));
  }
  // Finite, above low and at most high.
  void Real(const char* what, double value, double low, double high) {
    if (!status_.ok() || (std::isfinite(value) && value > low && value <= high)) return;
    Fail(std::string(what) + " is " + ShortNumber(value) + ", expected more than " +
         ShortNumber(low) + " and at most " + ShortNumber(high));
  }
  void Elements(const char* what, std::initializer_list<int64_t> factors) {
    if (!status_.ok()) return;
    const auto product = CheckedProduct<int64_t>(factors);
    if (product && *product <= kMaxElements) return;
    Fail(std::string(what) + " would have more than 2^36 elements");
  }
  void Require(bool condition, const std::string& message) {
    if (status_.ok() && !condition) Fail(message);
  }

 private:
  void Fail(const std::string& message) {
    status_ = Unsupported("model configuration: " + message);
  }
  Status status_;
};

void CheckText(const TextConfig& text, Checker& check) {
  check.Range("text layers", text.layers, 1, kMaxLayers);
  check.Range("text width", text.width, 1, kMaxWidth);
  check.Range("text feed-forward width", text.ffn, 1, kMaxWidth);
  check.Range("text heads", text.heads, 1, kMaxHeads);
  check.Range("text key/value heads", text.kv_heads, 1, text.heads);
  check.Divides("the number of key/value heads", text.kv_heads, "the number of query heads",
                text.heads);
  check.Range("text head width", text.head_dim, 2, 1024);
  check.Divides("2 (rotary pairs)", 2, "text head width", text.head_dim);
  check.Range("width of all query heads", int64_t{text.heads} * text.head_dim, 1, kMaxWidth);
  check.Range("vocabulary", text.vocab, 1, kMaxVocab);
  check.Range("context length", text.max_positions, 1, kMaxPositions);
  check.Real("RMS epsilon", text.rms_eps, 0, 0.1);
  check.Real("rope theta", text.rope_theta, 1, 1e9);
  check.Real("embedding scale", text.embedding_scale, 0, 1e4);
  check.Real("residual scale", text.residual_scale, 0, 1e4);
  check.Real("logit divisor", text.logit_divisor, 0, 1e4);
  check.Elements("the token table", {text.vocab, text.width});
  check.Elements("a feed-forward matrix", {text.ffn, text.width});
}

void CheckVision(const VisionConfig& vision, const VersionRow& row, Checker& check) {
  check.Range("vision layers", vision.layers, 1, kMaxLayers);
  check.Range("vision width", vision.width, 1, kMaxWidth);
  check.Range("vision feed-forward width", vision.ffn, 1, kMaxWidth);
  check.Range("vision heads", vision.heads, 1, kMaxHeads);
  check.Divides("the number of vision heads", vision.heads, "vision width", vision.width);
  check.Range("patch size", vision.patch, 1, kMaxPatch);
  check.Range("side of the position table", vision.table_side, 1, kMaxTableSide);
  check.Real("vision norm epsilon", vision.norm_eps, 0, 0.1);
  check.Elements("the position table", {vision.table_side, vision.table_side, vision.width});
  // A resampled table and bucketed rows are different parts of the code; 2.5 may use either bucket
  // rule, and nothing else is free.
  const bool interpolated = vision.position_rule == PositionRule::kInterpolated;
  check.Require(interpolated == (row.position_rule == PositionRule::kInterpolated),
                "position rule '" + std::string(PositionRuleName(vision.position_rule)) +
                    "' does not fit version " + std::string(row.short_name));
}

void CheckResampler(const ModelConfig& config, Checker& check) {
  const ResamplerConfig& resampler = config.resampler;
  check.Range("number of queries", resampler.queries, 1, kMaxQueries);
  check.Equal("resampler width", resampler.width, "the text width", config.text.width);
  check.Equal("resampler input width", resampler.kv_width, "the vision width", config.vision.width);
  check.Divides("the head width", 128, "resampler width", resampler.width);
  check.Equal("resampler heads", resampler.heads, "width / 128", resampler.width / 128);
  check.Real("resampler norm epsilon", resampler.norm_eps, 0, 0.1);
  // The stored table is a square on the queries.
  if (resampler.positions != ResamplerPositions::kSinCos) {
    const int side = static_cast<int>(std::lround(std::sqrt(double(resampler.queries))));
    check.Require(side * side == resampler.queries,
                  "number of queries " + std::to_string(resampler.queries) +
                      " is not a square, which the stored position table needs");
  }
  check.Divides("4 (sine-cosine table)", 4, "resampler width", resampler.width);
}

void CheckPictures(const ModelConfig& config, Checker& check) {
  const SliceConfig& slicing = config.slicing;
  check.Equal("slice patch size", slicing.patch, "the vision patch size", config.vision.patch);
  check.Range("scale resolution", slicing.scale_resolution, slicing.patch, kMaxResolution);
  check.Range("largest number of slices", slicing.max_slices, 1, kMaxSlices);
  if (slicing.rule == SliceRule::kSquash) {
    check.Divides("the patch size", slicing.patch, "scale resolution", slicing.scale_resolution);
  }
  for (int channel = 0; channel < 3; ++channel) {
    check.Real("image mean", config.image_mean[channel], -1e-9, 1);
    check.Real("image standard deviation", config.image_std[channel], 0, 1);
  }
}

}  // namespace

Status Validate(const ModelConfig& config) {
  Checker check;
  check.Require(config.text.arch == config.row().text_arch,
                "the language model is " + std::string(Row(config.text.arch).gguf_name) +
                    " but version " + std::string(config.row().short_name) + " has " +
                    std::string(Row(config.row().text_arch).gguf_name));
  CheckText(config.text, check);
  if (config.has_vision) {
    CheckVision(config.vision, config.row(), check);
    CheckResampler(config, check);
    CheckPictures(config, check);
  }
  return check.status();
}

}  // namespace mcv
