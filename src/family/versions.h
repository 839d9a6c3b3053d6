// The versions of the family as rows of one table: a new version is a new row, and a new file only
// for a part that no earlier version has.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace mcv {

enum class Version { kV1_0, kV2_0, kV2_5, kV2_6 };

enum class TextArch { kLlama, kMiniCpm, kQwen2 };
enum class VisionActivation { kGeluErf, kGeluTanh };
// How a patch finds its row of the position table.
enum class PositionRule {
  kInterpolated,  // 1.0, 2.0: the 27x27 table is resampled to the grid
  kStrip,         // 2.5 as published: all patches in one row, padded to the longest slice (1.3.4)
  kGrid,          // 2.6 and later, and llama.cpp for 2.5: row and column buckets (1.3.5)
};
// What happens where 70*i/n is whole.
enum class BucketRule { kFloat32, kExact };
enum class ResamplerPositions {
  kStored,                   // 1.0: stored 8x8 table on queries, resized to the grid for keys
  kStoredQueriesSinCosKeys,  // 2.0
  kSinCos,                   // 2.5 and later: keys only
};
enum class SliceRule {
  kSquash,    // 1.0: one 448x448 view, aspect ratio ignored
  kAdaptive,  // 2.0 and later: paper section 3.1
};
enum class RopePairing { kHalves, kAdjacent };
enum class ChatFormat { kMiniCpm, kLlama3, kChatMl };
// How views are bracketed in the token sequence (model-spec 1.7).
enum class PlaceholderFormat {
  kSingle,      // 1.0: <image>U</image>
  kSliceBlock,  // 2.0, 2.5: rows of <image>U</image> wrapped in <slice> ... </slice>
  kSliceTags,   // 2.6 and later: <image_id>, then rows of <slice>U</slice> without a wrapper
};
enum class TokenizerKind { kSentencePiece, kLlama3Bpe, kQwen2Bpe };

// How the tower's tensors are called in HF files.
enum class VisionNames { kTimm, kSiglip };

// What follows from the LLM's architecture alone.
struct TextArchRow {
  TextArch arch;
  std::string_view gguf_name;  // general.architecture and the prefix of its keys
  RopePairing gguf_pairing;    // HF files always hold halves (model-spec 3.5)
  bool qkv_bias;
  bool minicpm_scales;  // embedding, residual and logit scales (model-spec 1.2.2)
};

struct VersionRow {
  Version version;
  std::string_view name;        // "MiniCPM-Llama3-V 2.5"
  std::string_view short_name;  // "2.5"
  TextArch text_arch;
  VisionActivation activation;
  PositionRule position_rule;
  ResamplerPositions resampler_positions;
  SliceRule slice_rule;
  int default_queries;
  int position_table_side;  // 27 or 70
  ChatFormat chat;
  PlaceholderFormat placeholders;
  TokenizerKind tokenizer;
  bool use_image_id;
  std::string_view default_system;  // empty: none
  int gguf_version;                 // clip.minicpmv_version; 0 = never published as a pair
  int max_input_tokens;
  VisionNames vision_names;
};

std::span<const VersionRow> AllVersions();
const VersionRow& Row(Version version);
const TextArchRow& Row(TextArch arch);
// Null for an architecture that no version of the family has.
const TextArchRow* FindTextArch(std::string_view gguf_name);
Result<Version> FindVersion(std::string_view short_name);
// "1.0, 2.0, 2.5, 2.6": for messages.
std::string VersionList();

// "interpolated", "strip", "grid".
std::string_view PositionRuleName(PositionRule rule);
Result<PositionRule> FindPositionRule(std::string_view name);

}  // namespace mcv
