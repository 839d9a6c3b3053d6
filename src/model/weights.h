// The weights as views: matrices stay where they lie in the mapped file, vectors are fp32.
//
// Owned memory is small: norms and biases that the file stores in 16 bits, and the resampler's
// projection where the file stores it the other way round.
#pragma once

#include <memory>
#include <vector>

#include "base/status.h"
#include "family/config.h"
#include "kernels/kernels.h"

namespace mcv {

class ModelFiles;

// y = x * weight^T + bias.
struct Linear {
  WeightView weight;            // [outputs, inputs]
  const float* bias = nullptr;  // [outputs], or null
};

// (x - mean) / deviation * weight + bias; the bias is null for RMS norms.
struct Norm {
  const float* weight = nullptr;
  const float* bias = nullptr;
};

// One SigLIP block. C width, F ffn.
struct VisionLayerWeights {
  Norm norm1;      // [C]
  Linear q, k, v;  // [C, C]
  Linear out;      // [C, C]
  Norm norm2;      // [C]
  Linear fc1;      // [F, C]
  Linear fc2;      // [C, F]
};

// S = side of the position table, P = 3 * patch * patch in (channel, row, column) order.
struct VisionWeights {
  Linear patch;          // [C, P]
  WeightView positions;  // [S * S, C]
  std::vector<VisionLayerWeights> layers;
  Norm final_norm;  // [C]
};

// Q queries, E LLM width.
struct ResamplerWeights {
  const float* query = nullptr;         // [Q, E]
  const float* positions = nullptr;     // [Q, E] stored table of 1.0 and 2.0, or null
  WeightView kv;                        // [E, C]
  Norm norm_query, norm_kv, norm_post;  // [E]
  Linear q, k, v;                       // [E, E]
  Linear out;                           // [E, E]
  WeightView proj;                      // [E, E], turned so that y = x * proj^T
};

// One decoder layer. H heads and G kv heads of size D, F ffn.
struct TextLayerWeights {
  const float* attn_norm = nullptr;  // [E]
  Linear q;                          // [H * D, E]; biases only in Qwen2
  Linear k, v;                       // [G * D, E]
  WeightView out;                    // [E, H * D]
  const float* ffn_norm = nullptr;   // [E]
  WeightView gate, up;               // [F, E]
  WeightView down;                   // [E, F]
};

// V vocabulary.
struct TextWeights {
  WeightView embedding;  // [V, E]
  std::vector<TextLayerWeights> layers;
  const float* final_norm = nullptr;  // [E]
  WeightView head;                    // [V, E]; the embedding itself where the head is tied
};

// Immutable after Bind; any number of threads may read it. Views live as long as the files that
// they were bound from, and as long as this object for what it owns.
class Weights {
 public:
  // Binds every tensor that the config's version has. The files have checked names and shapes
  // already; what can fail here is memory and a type that a vector cannot have.
  static Result<Weights> Bind(const ModelFiles& files);

  // The same for a plan: no weight is read. What Bind would own is counted, not made: such vectors
  // are null and such matrices lie as the file has them. For the sizes of things only.
  static Result<Weights> BindShapes(const ModelFiles& files);

  const VisionWeights& vision() const { return vision_; }
  const ResamplerWeights& resampler() const { return resampler_; }
  const TextWeights& text() const { return text_; }
  // Bytes that do not lie in the mapped files (after BindShapes: that would not).
  uint64_t owned_bytes() const { return owned_bytes_; }

 private:
  friend class WeightBinder;
  VisionWeights vision_;
  ResamplerWeights resampler_;
  TextWeights text_;
  std::vector<std::unique_ptr<float[]>> vectors_;
  std::vector<std::unique_ptr<std::byte[]>> matrices_;
  uint64_t owned_bytes_ = 0;
};

}  // namespace mcv
