// The table of versions. What can be read from a model's own files (sizes, epsilons, scales) is not
// here: a row holds only what the files do not say. Source: model-spec 1.1 to 1.10.
#include "family/versions.h"

#include "formats/printable.h"

namespace mcv {
namespace {

constexpr TextArchRow kTextArchs[] = {
    {.arch = TextArch::kLlama,
     .gguf_name = "llama",
     .gguf_pairing = RopePairing::kAdjacent,
     .qkv_bias = false,
     .minicpm_scales = false},
    {.arch = TextArch::kMiniCpm,
     .gguf_name = "minicpm",
     .gguf_pairing = RopePairing::kAdjacent,
     .qkv_bias = false,
     .minicpm_scales = true},
    {.arch = TextArch::kQwen2,
     .gguf_name = "qwen2",
     .gguf_pairing = RopePairing::kHalves,
     .qkv_bias = true,
     .minicpm_scales = false},
};

constexpr VersionRow kVersions[] = {
    {.version = Version::kV1_0,
     .name = "MiniCPM-V 1.0",
     .short_name = "1.0",
     .text_arch = TextArch::kMiniCpm,
     .activation = VisionActivation::kGeluErf,
     .position_rule = PositionRule::kInterpolated,
     .resampler_positions = ResamplerPositions::kStored,
     .slice_rule = SliceRule::kSquash,
     .default_queries = 64,
     .position_table_side = 27,
     .chat = ChatFormat::kMiniCpm,
     .placeholders = PlaceholderFormat::kSingle,
     .tokenizer = TokenizerKind::kSentencePiece,
     .use_image_id = false,
     .default_system = "",
     .gguf_version = 0,
     .max_input_tokens = 2048,
     .vision_names = VisionNames::kTimm},
    {.version = Version::kV2_0,
     .name = "MiniCPM-V 2.0",
     .short_name = "2.0",
     .text_arch = TextArch::kMiniCpm,
     .activation = VisionActivation::kGeluErf,
     .position_rule = PositionRule::kInterpolated,
     .resampler_positions = ResamplerPositions::kStoredQueriesSinCosKeys,
     .slice_rule = SliceRule::kAdaptive,
     .default_queries = 64,
     .position_table_side = 27,
     .chat = ChatFormat::kMiniCpm,
     .placeholders = PlaceholderFormat::kSliceBlock,
     .tokenizer = TokenizerKind::kSentencePiece,
     .use_image_id = false,
     .default_system = "",
     .gguf_version = 1,
     .max_input_tokens = 2048,
     .vision_names = VisionNames::kTimm},
    {.version = Version::kV2_5,
     .name = "MiniCPM-Llama3-V 2.5",
     .short_name = "2.5",
     .text_arch = TextArch::kLlama,
     .activation = VisionActivation::kGeluTanh,
     .position_rule = PositionRule::kStrip,
     .resampler_positions = ResamplerPositions::kSinCos,
     .slice_rule = SliceRule::kAdaptive,
     .default_queries = 96,
     .position_table_side = 70,
     .chat = ChatFormat::kLlama3,
     .placeholders = PlaceholderFormat::kSliceBlock,
     .tokenizer = TokenizerKind::kLlama3Bpe,
     .use_image_id = false,
     .default_system = "",
     .gguf_version = 2,
     .max_input_tokens = 2048,
     .vision_names = VisionNames::kSiglip},
    {.version = Version::kV2_6,
     .name = "MiniCPM-V 2.6",
     .short_name = "2.6",
     .text_arch = TextArch::kQwen2,
     .activation = VisionActivation::kGeluTanh,
     .position_rule = PositionRule::kGrid,
     .resampler_positions = ResamplerPositions::kSinCos,
     .slice_rule = SliceRule::kAdaptive,
     .default_queries = 64,
     .position_table_side = 70,
     .chat = ChatFormat::kChatMl,
     .placeholders = PlaceholderFormat::kSliceTags,
     .tokenizer = TokenizerKind::kQwen2Bpe,
     .use_image_id = true,
     .default_system = "You are a helpful assistant.",
     .gguf_version = 3,
     .max_input_tokens = 8192,
     .vision_names = VisionNames::kSiglip},
};

struct PositionRuleRow {
  PositionRule rule;
  std::string_view name;
};
constexpr PositionRuleRow kPositionRules[] = {{PositionRule::kInterpolated, "interpolated"},
                                              {PositionRule::kStrip, "strip"},
                                              {PositionRule::kGrid, "grid"}};

}  // namespace

std::span<const VersionRow> AllVersions() { return kVersions; }

const VersionRow& Row(Version version) {
  for (const VersionRow& row : kVersions) {
    if (row.version == version) return row;
  }
  MCV_CHECK(false);  // every Version has a row; versions_test walks them
  return kVersions[0];
}

const TextArchRow& Row(TextArch arch) {
  for (const TextArchRow& row : kTextArchs) {
    if (row.arch == arch) return row;
  }
  MCV_CHECK(false);
  return kTextArchs[0];
}

const TextArchRow* FindTextArch(std::string_view gguf_name) {
  for (const TextArchRow& row : kTextArchs) {
    if (row.gguf_name == gguf_name) return &row;
  }
  return nullptr;
}

std::string VersionList() {
  std::string list;
  for (const VersionRow& row : kVersions) {
    if (!list.empty()) list += ", ";
    list += row.short_name;
  }
  return list;
}

Result<Version> FindVersion(std::string_view short_name) {
  for (const VersionRow& row : kVersions) {
    if (row.short_name == short_name) return row.version;
  }
  return Unsupported("MiniCPM-V version " + Printable(short_name) +
                     " is not one that this program runs; it runs " + VersionList());
}

std::string_view PositionRuleName(PositionRule rule) {
  for (const PositionRuleRow& row : kPositionRules) {
    if (row.rule == rule) return row.name;
  }
  return "?";
}

Result<PositionRule> FindPositionRule(std::string_view name) {
  for (const PositionRuleRow& row : kPositionRules) {
    if (row.name == name) return row.rule;
  }
  return InvalidArgument("position rule " + Printable(name) +
                         " is unknown; expected interpolated, strip or grid");
}

}  // namespace mcv
