// What an instruction set supplies: one table of functions on rows and blocks of rows.
//
// The drivers (drivers/) block, pack and share work among threads and know no instruction set; the
// leaves (ref/, portable/, x86_avx2/, x86_avx512/) know nothing of threads. Every call does enough
// work (a row, a tile, a strip) that going through a pointer costs nothing.
//
// There are two ways to multiply by a weight [N, K]:
//   DotKernel    few tokens: rows are read once, in place, in the file's layout (memory bound);
//   PanelKernel  many tokens: a few rows at a time are unpacked into a panel that stays in cache,
//                and every token is multiplied with it (arithmetic bound). Attention uses the same
//                tiles: keys are weights for the scores, values (by columns) are weights for the
//                sum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/dtype.h"
#include "kernels/kernels.h"

namespace mcv {

struct DotKernel {
  // More tokens than this are faster as panels, where the target has a panel kernel.
  int64_t max_tokens;
  // One token, K floats, in the form `rows` reads. Kernels with the same pack_token share it.
  int64_t (*packed_bytes)(int64_t k);
  void (*pack_token)(const float* x, int64_t k, std::byte* packed);
  struct Args {
    DType type;
    const std::byte* weights;
    int64_t row_bytes;
    int64_t rows;
    const std::byte* tokens;  // packed, 64-byte aligned
    int64_t token_bytes;      // from one packed token to the next
    int64_t num_tokens;
    int64_t k;
    float* out;  // out[t * out_stride + r]
    int64_t out_stride;
  };
  void (*rows)(const Args& args);
};

// A panel is panel_rows weight rows interleaved so that one vector load gives the same few
// consecutive k of many rows; a strip is strip_tokens tokens interleaved the same way. Both are
// zero-padded, 64-byte aligned, and hold at most k_block of the K direction.
struct PanelKernel {
  int64_t panel_rows;
  int64_t strip_tokens;
  int64_t k_block;  // multiple of 256, so that a block starts on a whole block of every type
  int64_t (*panel_bytes)(int64_t k);
  int64_t (*strip_bytes)(int64_t k);
  // count <= panel_rows rows, the first k elements from `rows` on.
  void (*pack_rows)(DType type, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
                    std::byte* panel);
  // The transpose: panel row c is column first + c of k rows (float types and Q8_0; first is a
  // multiple of panel_rows). Null in kernels that attention does not use.
  void (*pack_columns)(DType type, const std::byte* rows, int64_t row_bytes, int64_t first,
                       int64_t count, int64_t k, std::byte* panel);
  // 1 <= tokens <= strip_tokens.
  void (*pack_tokens)(const float* x, int64_t stride, int64_t tokens, int64_t k, std::byte* strip);
  struct TileArgs {
    const std::byte* panel;
    const std::byte* strip;
    int64_t rows;    // of the panel that count; the tile may write up to panel_rows columns of c
    int64_t tokens;  // of the strip that count; only these rows of c are written
    int64_t k;
    float* c;  // c[t * ldc + r] = (or += with accumulate) the dot products; ldc >= panel_rows
    int64_t ldc;
    bool accumulate;
  };
  void (*tile)(const TileArgs& args);
  // One step of a running softmax for the tokens of a strip, whose raw scores against `keys` keys
  // become a packed strip of weights e^(scale (s - max)): softmax_step and pack_tokens in one,
  // where a kernel can do better than both. Null elsewhere.
  struct WeighArgs {
    static constexpr int64_t kMostKeys = 512;
    float* scores;  // rows `stride` apart; what is left in them is nobody's
    int64_t stride;
    int64_t tokens;
    int64_t keys;         // at most kMostKeys
    const int64_t* seen;  // of each token's keys the first so many; the others weigh nothing
    float scale;
    float* max;      // [tokens]
    float* sum;      // [tokens]
    float* rescale;  // [tokens] what earlier sums must be multiplied by
    std::byte* strip;
  };
  void (*weigh)(const WeighArgs& args) = nullptr;
};

struct EpilogueBlock {
  const float* c;  // [tokens, columns], rows ldc apart
  int64_t ldc;
  int64_t tokens;
  int64_t columns;
  Epilogue epilogue;  // bias already points at the block's first column
  float* y;
  int64_t y_stride;
};

// A few query heads that share one key/value head, one token, over a run of keys. What it gives is
// a part of the softmax, to be joined with those of the other runs of keys:
//   max = the largest raw score, sum = sum of e^(scale (s - max)), out = sum of e^(..) v.
struct AttendArgs {
  const float* q;  // rows x head_dim, contiguous
  int64_t rows;
  int64_t head_dim;
  KvView keys, values;  // already at this head and at the first key
  int64_t num_keys;     // > 0, all of them seen
  float scale;
  float* max;  // [rows]
  float* sum;  // [rows]
  float* out;  // rows x head_dim, contiguous
};

struct KernelTable {
  const char* name;
  bool (*runs_here)();

  // Rows; y may be x.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, int64_t n,
                     float* y);
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t n, float* y);
  // One head of 2 * half elements in place.
  void (*rope)(float* x, int64_t half, const float* cos, const float* sin, RopeStyle style);
  void (*epilogue)(const EpilogueBlock& block);
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* y);
  void (*add_scaled)(const float* x, float scale, int64_t n, float* y);  // y += scale * x
  void (*scale)(float* x, float scale, int64_t n);
  // One row dequantised, exactly as formats/quant says; any type.
  void (*load_row)(DType type, const std::byte* row, int64_t n, float* out);
  // kF32, kF16, kBF16 or, where n is a multiple of 32, kQ8_0 to the last bit as formats/quant.
  void (*store_row)(const float* x, int64_t n, DType type, std::byte* out);

  // One step of a running softmax over raw scores s[0..n): replaces them by
  // exp(scale * (s - max')), updates *max and *sum, returns what earlier sums must be multiplied
  // by.
  float (*softmax_step)(float* s, int64_t n, float scale, float* max, float* sum);
  void (*attend)(const AttendArgs& args);

  // How to multiply by a weight of this type. dot() always answers; panel() may be null, and then
  // dot() takes any number of tokens.
  const DotKernel* (*dot)(DType type, Numerics numerics);
  const PanelKernel* (*panel)(DType type, Numerics numerics);
  // The panel kernel for attention over keys and values of this type; null as above.
  const PanelKernel* (*attention)(DType type, Numerics numerics);
};

// Every table that this build has, best first; the last one is ref and runs anywhere.
std::span<const KernelTable* const> AllTables();

const KernelTable& RefTable();
const KernelTable& PortableTable();
// In builds with x86 kernels only.
const KernelTable& Avx2Table();
const KernelTable& Avx512VnniTable();
const KernelTable& Avx512Bf16Table();

}  // namespace mcv
