// Every tensor of a model as data: its own name, where it lies in an HF folder and in a GGUF pair,
// and its shape. The loader, the exporter, the inspector and the tests walk this one table.
//
// Own names ("id"), N = layer:
//   text.embed                       [V, E]     text.final_norm [E]     text.head [V, E] (untied)
//   text.N.attn_norm, text.N.ffn_norm                                   [E]
//   text.N.attn_q | attn_k | attn_v  [heads * d, E]   + .bias where the architecture has it
//   text.N.attn_out [E, heads * d]   text.N.ffn_gate | ffn_up [F, E]    text.N.ffn_down [E, F]
//   vision.patch [C, 3 * p * p] (channel, row, column)   vision.patch.bias   vision.positions [S*S,
//   C] vision.N.ln1 | ln2 (+ .bias)     vision.N.attn_q | attn_k | attn_v | attn_out (+ .bias)  [C,
//   C] vision.N.fc1 [F, C] (+ .bias)    vision.N.fc2 [C, F] (+ .bias)      vision.post_ln (+ .bias)
//   resampler.query [Q, E]           resampler.positions [Q, E] (1.0, 2.0)
//   resampler.kv [E, C]              resampler.ln_q | ln_kv | ln_post (+ .bias)
//   resampler.attn_q | attn_k | attn_v | attn_out (+ .bias) [E, E]      resampler.proj [E, E]
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "family/config.h"

namespace mcv {

enum class TensorFile { kText, kVision };
enum class TensorKind {
  kMatrix,  // [rows outputs, cols inputs], multiplied as y = x * W^T
  kVector,  // rows == 1: biases, norms
  kTable,   // rows that are looked up or added, never multiplied
};

struct TensorSpec {
  std::string id;
  TensorFile file = TensorFile::kText;
  TensorKind kind = TensorKind::kMatrix;
  int64_t rows = 0;
  int64_t cols = 0;

  // HF: rows [hf_row_begin, hf_row_begin + rows) of the tensor hf_name, whose stored shape is
  // hf_shape and which counts as a matrix of `cols` columns.
  std::string hf_name;
  std::vector<int64_t> hf_shape;
  int64_t hf_row_begin = 0;
  // The HF tensor is [inputs, outputs], used as row vector * matrix: resampler.proj.
  bool hf_transposed = false;

  // GGUF: the name that published files use, with its dims (fastest first), and the other name in
  // circulation. Published towers swap ffn_up and ffn_down; which name holds what is found from the
  // shapes (model-spec 3.4.4), see ffn_swap.
  std::string gguf_name;
  std::string gguf_other_name;
  std::vector<int64_t> gguf_dims;
  bool ffn_swap = false;
  // GGUF files with adjacent rotary pairs hold these rows permuted per head (model-spec 3.5): the
  // number of heads, or 0.
  int rope_heads = 0;

  bool is_vector() const { return kind == TensorKind::kVector; }
  int64_t elements() const { return rows * cols; }
};

// In order of use. config must be valid. Without has_vision only the text tensors.
std::vector<TensorSpec> TensorTable(const ModelConfig& config);

// Tensors that published files carry and that are computed here instead: the sine-cosine table
// `resampler.pos_embed_k`, inverse rotary frequencies, position id lists.
bool IsComputedTensor(std::string_view name);

// The row of a GGUF file with adjacent pairs that holds row `hf_row` of the HF tensor.
int64_t RopeRowOfHf(int64_t hf_row, int64_t head_dim);

// [rows, cols] as [cols, rows]: some tensors of the HF folder are stored that way.
std::vector<float> Transposed(const std::vector<float>& values, int64_t rows, int64_t cols);

}  // namespace mcv
