// The one header through which other rooms compute. Operations on whole matrices; threads, blocking
// and the instruction set are this room's business.
//
// Conventions: matrices are row-major fp32 views; a weight is [outputs, inputs] in the file's own
// layout, so y = x * W^T. Every operation is deterministic and its result does not depend on the
// thread count.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/thread_pool.h"
#include "base/trace.h"
#include "base/untouched_memory.h"
#include "formats/dtype.h"

namespace mcv {

// Does not own. rows x cols floats, consecutive rows `stride` elements apart (stride >= cols).
template <typename T>
struct MatViewT {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;
  MatViewT() = default;
  MatViewT(T* d, int64_t r, int64_t c) : data(d), rows(r), cols(c), stride(c) {}
  MatViewT(T* d, int64_t r, int64_t c, int64_t s) : data(d), rows(r), cols(c), stride(s) {}
  operator MatViewT<const T>() const { return {data, rows, cols, stride}; }  // NOLINT
  T* Row(int64_t r) const { return data + r * stride; }
  MatViewT Rows(int64_t begin, int64_t count) const { return {Row(begin), count, cols, stride}; }
  MatViewT Cols(int64_t begin, int64_t count) const { return {data + begin, rows, count, stride}; }
};
using MatView = MatViewT<float>;
using ConstMatView = MatViewT<const float>;

// A weight as it lies in the mapped file: `rows` outputs, each RowBytes(type, cols) bytes. Does not
// own. The address need not be aligned.
struct WeightView {
  DType type = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  const std::byte* data = nullptr;
  bool empty() const { return data == nullptr; }
  WeightView Rows(int64_t begin, int64_t count) const;
};

// kExact: fp32 activations, weights dequantised to fp32, fp32 products and sums: what parity is
// judged by. kFast: activations may be rounded to bf16 or to int8 blocks where the instruction set
// has a dot product for them (docs/numerics.md states the error). kInt8: kFast, but many tokens
// times a float or Q8_0 weight go through int8 on both sides, with a scale per row, per token and
// 256 elements each: the rounding is the same on every target, the gain is where int8 dot products
// are.
enum class Numerics { kExact, kFast, kInt8 };
std::string_view NumericsName(Numerics numerics);  // "exact", "fast", "int8"
std::optional<Numerics> NumericsNamed(std::string_view name);

struct KernelTable;  // kernels/table.h; one per instruction set

// How matrix products are cut into pieces for threads and caches. Results do not depend on it, bit
// for bit: no sum is cut.
struct Blocking {
  // Weight rows of a piece. Many tokens: a strip of tokens comes from the third-level cache and is
  // used for every panel of the piece. Few tokens: at least so many; more of short rows, up to 32
  // KB for each of these (1 MB, some thirty microseconds of reading).
  int64_t rows = 32;
  // Tokens of a piece, a multiple of kTokenStep: the sums of 32 rows x 1,080 tokens take 138 KB.
  // The 1,024 patches of a view and the 256 tokens of a prompt stay in one piece, so that a panel
  // is unpacked once for them.
  int64_t tokens = 1080;

  static constexpr int64_t kTokenStep = 120;  // a multiple of every target's strip
  static constexpr int64_t kMostRows = 1024;
  static constexpr int64_t kMostTokens = 120 * kTokenStep;
  bool operator==(const Blocking&) const = default;
};

// Everything a pass needs besides its data. One per session; not shared between threads.
struct Context {
  ThreadPool* pool = nullptr;
  const KernelTable* table = nullptr;
  Numerics numerics = Numerics::kFast;
  Trace* trace = nullptr;
  Blocking blocking;
  // How the rows of x are grouped into runs that belong together (one sequence's), shortest first,
  // for the products of a pass over several sequences: each run is multiplied by the kernel that it
  // would get alone, so that no row's result depends on who else is in the pass. Empty, or not as
  // many rows as x has: all rows are one run. Borrowed.
  std::span<const int64_t> runs;
  // Scratch that grows to the largest need once and is reused; owned by the context.
  UntouchedMemory scratch;
};

// Targets that this machine can run, best first: "avx512bf16", ..., "avx2", "portable", "ref".
std::vector<std::string_view> AvailableTargets();
// "" = the best, or what MCV_TARGET names. An unknown or impossible name is an error that lists the
// others.
Result<const KernelTable*> ChooseTarget(std::string_view name = "");
std::string_view TargetName(const KernelTable& table);

enum class Activation { kNone, kGeluTanh, kGeluErf, kSilu };

// What happens to v = (x * W^T)[i, j]:  v += bias[j];  v = act(v);  v *= scale;  y = v or y += v.
struct Epilogue {
  const float* bias = nullptr;
  Activation activation = Activation::kNone;
  float scale = 1.0f;
  bool accumulate = false;
};

struct MatMulTask {
  WeightView weight;  // [N, K]
  Epilogue epilogue;
  MatView y;  // [T, N]
};

// y = epilogue(x * W^T). x [T, K]. T = 1 is decode, T large is prefill or a view.
void MatMul(ConstMatView x, const WeightView& weight, const Epilogue& epilogue, MatView y,
            Context& ctx);
// Several weights on the same x (q, k and v): x is converted or packed once.
void MatMulMany(ConstMatView x, std::span<const MatMulTask> tasks, Context& ctx);
// y = silu(x * gate^T) * (x * up^T).  gate, up [F, K]; y [T, F].
void MatMulSwiGlu(ConstMatView x, const WeightView& gate, const WeightView& up, MatView y,
                  Context& ctx);

// Rows normalised on their own; mean and variance in fp32 (double in ref). y may be x.
void LayerNorm(ConstMatView x, const float* weight, const float* bias, float eps, MatView y,
               Context& ctx);
void RmsNorm(ConstMatView x, const float* weight, float eps, MatView y, Context& ctx);

// cos and sin of position * inv_freq[i], i < head_dim / 2, one row per token: [T, head_dim / 2]
// each.
struct RopeTable {
  ConstMatView cos;
  ConstMatView sin;
};
enum class RopeStyle { kHalves, kAdjacent };
// Rotates `heads` heads of x [T, heads * head_dim] in place.
void Rope(MatView x, int heads, int head_dim, const RopeTable& table, RopeStyle style,
          Context& ctx);

// What keys and values may be stored as: kF32, kF16, kBF16, or kQ8_0 where the size of a head is a
// multiple of its blocks of 32.
constexpr bool IsKvType(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16 || type == DType::kQ8_0;
}

// Positions that lie together where keys and values are kept in blocks.
inline constexpr int64_t kKvBlock = 256;

// Keys or values of one layer. Does not own. They lie
//   in one piece:  head h of position s is head_dim elements at data + h * head_bytes + s *
//   row_bytes or in blocks:  the same behind blocks[s / kKvBlock] + offset, with s % kKvBlock
template <typename Byte>
struct KvViewT {
  DType type = DType::kF32;
  Byte* data = nullptr;
  int64_t row_bytes = 0;
  int64_t head_bytes = 0;
  Byte* const* blocks = nullptr;  // null: one piece
  int64_t offset = 0;             // of the layer and part within every block

  // Where head h of position s begins; the positions behind it follow up to the block's end.
  Byte* At(int64_t head, int64_t position) const {
    if (blocks == nullptr) return data + head * head_bytes + position * row_bytes;
    return blocks[position / kKvBlock] + offset + head * head_bytes +
           position % kKvBlock * row_bytes;
  }
};
using KvView = KvViewT<const std::byte>;
using MutableKvView = KvViewT<std::byte>;

// Every row of x as one position of float keys or values.
KvView AsKv(ConstMatView x, int head_dim);

struct AttentionArgs {
  ConstMatView q;        // [T, heads * head_dim]
  KvView keys, values;   // S positions of kv_heads heads
  int64_t num_keys = 0;  // S
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;  // any positive size; 72 and 128 are the family's
  float scale = 1.0f;
  // Query t sees keys s <= t + causal_offset; < 0 means every key is seen.
  int64_t causal_offset = -1;
  MatView out;  // [T, heads * head_dim]
};
// softmax(scale * q k^T + mask) v per head; query head h uses kv head h / (heads / kv_heads).
void Attention(const AttentionArgs& args, Context& ctx);
// The same for several sequences at once, each with its own queries, keys and result; what one gets
// does not depend on the others. At most kMostSequences.
inline constexpr int kMostSequences = 64;
void Attention(std::span<const AttentionArgs> sequences, Context& ctx);

// What an operation takes from Context::scratch, in bytes, for plans: nothing is read or written.
// Of views only the shapes and types count, and whether there is data at all.
struct ScratchSetting {
  const KernelTable* table = nullptr;
  Numerics numerics = Numerics::kFast;
  int threads = 1;
  Blocking blocking = {};
};
// Of MatMul, or of MatMulMany with several weights.
int64_t MatMulScratch(int64_t tokens, std::span<const WeightView> weights,
                      const ScratchSetting& setting);
int64_t SwiGluScratch(int64_t tokens, const WeightView& gate, const WeightView& up,
                      const ScratchSetting& setting);
int64_t AttentionScratch(const AttentionArgs& args, const ScratchSetting& setting);

// Stores row t of x [T, heads * head_dim] as position first + t of `out`: rounded to the nearest,
// Q8_0 as formats/quant does.
void StoreKv(ConstMatView x, int head_dim, int64_t first, const MutableKvView& out, Context& ctx);
// y[i] = scale * row ids[i] of the table, dequantised. ids are inside the table.
void EmbedRows(const WeightView& table, std::span<const int32_t> ids, float scale, MatView y,
               Context& ctx);
// y += scale * x.
void AddScaled(ConstMatView x, float scale, MatView y, Context& ctx);

}  // namespace mcv
