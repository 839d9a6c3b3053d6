// What a model of the family is, in numbers: read from its files, checked once, trusted afterwards.
#pragma once

#include <cstdint>
#include <string>

#include "family/versions.h"

namespace mcv {

// SigLIP tower. Paper section 3 (visual encoding); shapes in comments use N patches, C width.
struct VisionConfig {
  int width = 0;   // C
  int layers = 0;  // blocks that are run
  int heads = 0;
  int ffn = 0;
  int patch = 14;
  int table_side = 70;  // the position table is table_side x table_side rows of C
  float norm_eps = 1e-6f;
  VisionActivation activation = VisionActivation::kGeluTanh;
  PositionRule position_rule = PositionRule::kGrid;
  BucketRule bucket_rule = BucketRule::kFloat32;
  int head_dim() const { return width / heads; }
};

// One cross-attention layer that turns the patches of a view into `queries` rows of the LLM's
// width.
struct ResamplerConfig {
  int queries = 0;   // Q
  int width = 0;     // E, equals the LLM's width
  int kv_width = 0;  // C
  int heads = 0;     // width / 128
  float norm_eps = 1e-6f;
  ResamplerPositions positions = ResamplerPositions::kSinCos;
};

struct TextConfig {
  TextArch arch = TextArch::kLlama;
  int layers = 0;
  int width = 0;  // E
  int ffn = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int vocab = 0;
  int max_positions = 0;
  float rms_eps = 1e-5f;
  float rope_theta = 10000.0f;
  RopePairing rope_pairing = RopePairing::kHalves;  // how the stored q/k rows are arranged
  bool qkv_bias = false;
  bool tied_head = false;
  // MiniCPM's scalings (model-spec 1.2.2); 1 where they do not apply.
  float embedding_scale = 1.0f;  // token embeddings only, never image rows
  float residual_scale = 1.0f;   // every branch before it is added
  float logit_divisor = 1.0f;    // final-norm output before the head
};

struct SliceConfig {
  SliceRule rule = SliceRule::kAdaptive;
  int scale_resolution = 448;  // R
  int patch = 14;
  int max_slices = 9;  // M; 1 = never cut
};

struct ModelConfig {
  Version version = Version::kV2_5;
  VisionConfig vision;
  ResamplerConfig resampler;
  TextConfig text;
  SliceConfig slicing;
  bool has_vision = true;  // false: only the LLM file was given
  float image_mean[3] = {0.5f, 0.5f, 0.5f};
  float image_std[3] = {0.5f, 0.5f, 0.5f};
  // llama.cpp pre-divides the projector of MiniCPM files by embedding_scale; then image rows are
  // multiplied by it again. True only for such GGUF pairs.
  bool projector_predivided = false;
  std::string name;  // general.name or the folder's name
  const VersionRow& row() const { return Row(version); }
};

// Every relation that the code relies on (divisibility, ranges, products within limits), or what is
// wrong.
Status Validate(const ModelConfig& config);

}  // namespace mcv
