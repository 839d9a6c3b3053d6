// softmax(scale * q k^T + mask) v without ever holding tokens x tokens: blocks of queries meet
// blocks of keys, and a running softmax joins the blocks (Milakov and Gimelshein 2018; the tiling
// is FlashAttention's, Dao et al. 2022).
//
// Work is shared out as (key/value head, block of queries). Within one item a block of keys and
// values is packed into panels once and serves every query of the block and every query head of the
// group. A strip of queries has its scores (strip x block of keys, some 20 KB) computed, turned
// into probabilities and multiplied with the values while they are in the first-level cache. A few
// tokens take the table's `attend` instead, which streams keys and values once, unpacked; there the
// work is shared out as (run of keys, key/value head).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/drivers/scratch.h"
#include "kernels/table.h"

namespace mcv {
namespace {

constexpr int64_t kMaxKeyBlock = PanelKernel::WeighArgs::kMostKeys;
// Query rows (tokens x heads of the group) that share one packing of keys and values.
constexpr int64_t kQueryRows = 512;
constexpr int64_t kMostStrip = 16;  // tokens, of any kernel
constexpr int64_t kFewTokens = 4;
// Keys that one item of few tokens takes: enough that joining the parts costs nothing, few enough
// that all threads have work at a thousand keys and one head.
constexpr int64_t kKeyRun = kKvBlock;
static_assert(kMaxKeyBlock % kKvBlock == 0);

int64_t SeenKeys(const AttentionArgs& args, int64_t t) {
  if (args.causal_offset < 0) return args.num_keys;
  return std::min(args.num_keys, t + args.causal_offset + 1);
}

// Of a run that lies in one block.
KvView From(const KvView& view, int64_t head, int64_t key) {
  return {view.type, view.At(head, key), view.row_bytes, view.head_bytes};
}

// A few tokens of each of some sequences: every (sequence, run of keys, key/value head) is an item
// that leaves a part of the softmax for each token; the parts are joined in the order of the keys.
// The runs depend on the number of keys alone, and so does the result.
class SplitAttention {
 public:
  void Add(const AttentionArgs& args) {
    MCV_CHECK(num_shares_ < shares_.size());
    Share& share = shares_[num_shares_++];
    share.args = &args;
    share.group = args.heads / args.kv_heads;
    share.runs = CeilDiv(args.num_keys, kKeyRun);
    share.part_floats = share.group * (args.head_dim + 2);
    share.first_item = num_items_;
    share.first_join = num_joins_;
    num_items_ += share.runs * args.kv_heads;
    // What has one run is joined by whoever computed it.
    if (share.runs > 1) num_joins_ += args.q.rows * args.kv_heads;
    const int64_t floats = args.q.rows * args.kv_heads * share.runs * share.part_floats;
    share.offset = plan_.Reserve(floats * static_cast<int64_t>(sizeof(float)));
  }

  // After the last Add.
  int64_t ScratchBytes() const { return plan_.bytes(); }

  void Run(Context& ctx) {
    if (num_shares_ == 0) return;
    table_ = ctx.table;
    base_ = plan_.Acquire(ctx);
    ctx.pool->For(num_items_, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t item = begin; item < end; ++item) {
        const Share& share = ShareOf(item, &Share::first_item);
        const int64_t local = item - share.first_item;
        AttendRun(share, local % share.runs, local / share.runs);
      }
    });
    if (num_joins_ == 0) return;
    ctx.pool->For(num_joins_, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t item = begin; item < end; ++item) {
        const Share& share = ShareOf(item, &Share::first_join);
        const int64_t local = item - share.first_join;
        Join(share, local / share.args->kv_heads, local % share.args->kv_heads);
      }
    });
  }

 private:
  // One sequence's part of the work.
  struct Share {
    const AttentionArgs* args;
    int64_t group, runs, part_floats;
    int64_t first_item, first_join;  // of all sequences', numbered one after the other
    int64_t offset;                  // of its parts in the scratch
  };

  // The last share that begins at or before the item: those with no joins begin where the next
  // does.
  const Share& ShareOf(int64_t item, int64_t Share::*first) const {
    size_t i = num_shares_ - 1;
    while (shares_[i].*first > item) --i;
    return shares_[i];
  }

  // Of one token, head and run: [group] maxima, [group] sums, [group, head_dim] outputs.
  float* Part(const Share& share, int64_t t, int64_t head, int64_t run) const {
    return reinterpret_cast<float*>(base_ + share.offset) +
           ((t * share.args->kv_heads + head) * share.runs + run) * share.part_floats;
  }

  void AttendRun(const Share& share, int64_t run, int64_t head) const {
    const AttentionArgs& args = *share.args;
    const int64_t key = run * kKeyRun;
    const KvView keys = From(args.keys, head, key), values = From(args.values, head, key);
    for (int64_t t = 0; t < args.q.rows; ++t) {
      const int64_t seen = std::min(kKeyRun, SeenKeys(args, t) - key);
      if (seen <= 0) continue;
      float* part = Part(share, t, head, run);
      table_->attend({.q = args.q.Row(t) + head * share.group * args.head_dim,
                      .rows = share.group,
                      .head_dim = args.head_dim,
                      .keys = keys,
                      .values = values,
                      .num_keys = seen,
                      .scale = args.scale,
                      .max = part,
                      .sum = part + share.group,
                      .out = part + 2 * share.group});
      if (share.runs == 1) Join(share, t, head);
    }
  }

  // out = sum of e^(scale (max_i - max)) out_i / sum of e^(..) sum_i over the runs i.
  void Join(const Share& share, int64_t t, int64_t head) const {
    const AttentionArgs& args = *share.args;
    const int64_t runs = CeilDiv(SeenKeys(args, t), kKeyRun);
    for (int64_t g = 0; g < share.group; ++g) {
      float max = -INFINITY;
      for (int64_t i = 0; i < runs; ++i) max = std::max(max, Part(share, t, head, i)[g]);
      float* out = args.out.Row(t) + (head * share.group + g) * args.head_dim;
      std::fill(out, out + args.head_dim, 0.0f);
      float total = 0;
      for (int64_t i = 0; i < runs; ++i) {
        const float* part = Part(share, t, head, i);
        const float weight = std::exp(args.scale * (part[g] - max));
        total += weight * part[share.group + g];
        table_->add_scaled(part + 2 * share.group + g * args.head_dim, weight, args.head_dim, out);
      }
      table_->scale(out, 1.0f / total, args.head_dim);
    }
  }

  std::array<Share, kMostSequences> shares_;
  size_t num_shares_ = 0;
  int64_t num_items_ = 0, num_joins_ = 0;
  ScratchPlan plan_;
  const KernelTable* table_ = nullptr;
  std::byte* base_ = nullptr;
};

// One item's buffers and loops. Rows of a block are ordered head by head, so that a strip of tokens
// has one stride.
class AttentionBlock {
 public:
  AttentionBlock(const AttentionArgs& args, const PanelKernel& kernel, const KernelTable& table)
      : args_(args), kernel_(kernel), table_(table), group_(args.heads / args.kv_heads) {
    const int64_t strip = kernel.strip_tokens;
    MCV_CHECK(strip <= kMostStrip);
    const int64_t blocks = CeilDiv(args.q.rows * group_, kQueryRows);
    block_tokens_ = CeilDiv(CeilDiv(args.q.rows, blocks), strip) * strip;
    key_block_ = std::min(kMaxKeyBlock, kernel.k_block);
    key_panels_ = key_block_ / kernel.panel_rows;
    value_panels_ = CeilDiv(args.head_dim, kernel.panel_rows);
    out_stride_ = value_panels_ * kernel.panel_rows;
    const int64_t rows = block_tokens_ * group_;
    const int64_t float_bytes = sizeof(float);
    key_bytes_ = ScratchPlan::RoundUp(kernel.panel_bytes(args.head_dim));
    value_bytes_ = ScratchPlan::RoundUp(kernel.panel_bytes(key_block_));
    strip_bytes_ = ScratchPlan::RoundUp(kernel.strip_bytes(args.head_dim));
    keys_ = plan_.Reserve(key_panels_ * key_bytes_);
    values_ = plan_.Reserve(value_panels_ * value_bytes_);
    queries_ = plan_.Reserve(rows / strip * strip_bytes_);
    scores_ = plan_.Reserve(strip * key_block_ * float_bytes);
    weights_ = plan_.Reserve(kernel.strip_bytes(key_block_));
    sums_ = plan_.Reserve(rows * out_stride_ * float_bytes);
    stats_ = plan_.Reserve(2 * rows * float_bytes);
    bytes_ = plan_.Reserve(0);
  }

  int64_t bytes() const { return bytes_; }
  int64_t block_tokens() const { return block_tokens_; }

  void Run(int64_t head, int64_t first, std::byte* base) const {
    const int64_t tokens = std::min(block_tokens_, args_.q.rows - first);
    const int64_t strips = CeilDiv(tokens, kernel_.strip_tokens);
    Start(head, first, tokens, base);
    const int64_t seen = SeenKeys(args_, first + tokens - 1);
    for (int64_t key = 0; key < seen; key += key_block_) {
      const int64_t count = std::min(key_block_, seen - key);
      PackKeys(head, key, count, base);
      for (int64_t g = 0; g < group_; ++g) {
        for (int64_t s = 0; s < strips; ++s) Strip(first, tokens, g, s, key, count, base);
      }
    }
    Finish(head, first, tokens, base);
  }

 private:
  float* Floats(std::byte* base, int64_t offset) const {
    return reinterpret_cast<float*>(base + offset);
  }

  void Start(int64_t head, int64_t first, int64_t tokens, std::byte* base) const {
    const int64_t rows = block_tokens_ * group_;
    float* max = Floats(base, stats_);
    std::fill(max, max + rows, -INFINITY);
    std::fill(max + rows, max + 2 * rows, 0.0f);
    std::fill(Floats(base, sums_), Floats(base, sums_) + rows * out_stride_, 0.0f);
    for (int64_t g = 0; g < group_; ++g) {
      const int64_t column = (head * group_ + g) * args_.head_dim;
      for (int64_t t = 0; t < tokens; t += kernel_.strip_tokens) {
        const int64_t strip = (g * block_tokens_ + t) / kernel_.strip_tokens;
        kernel_.pack_tokens(args_.q.Row(first + t) + column, args_.q.stride,
                            std::min(kernel_.strip_tokens, tokens - t), args_.head_dim,
                            base + queries_ + strip * strip_bytes_);
      }
    }
  }

  // A panel of keys lies in one block of theirs, one of values takes them block by block.
  void PackKeys(int64_t head, int64_t key, int64_t count, std::byte* base) const {
    const KvView& keys = args_.keys;
    const KvView& values = args_.values;
    for (int64_t p = 0; p * kernel_.panel_rows < count; ++p) {
      const int64_t row = p * kernel_.panel_rows;
      kernel_.pack_rows(keys.type, keys.At(head, key + row), keys.row_bytes,
                        std::min(kernel_.panel_rows, count - row), args_.head_dim,
                        base + keys_ + p * key_bytes_);
    }
    for (int64_t p = 0; p < value_panels_; ++p) {
      const int64_t column = p * kernel_.panel_rows;
      for (int64_t s = 0; s < count; s += kKvBlock) {
        kernel_.pack_columns(values.type, values.At(head, key + s), values.row_bytes, column,
                             std::min(kernel_.panel_rows, args_.head_dim - column),
                             std::min(kKvBlock, count - s),
                             base + values_ + p * value_bytes_ + kernel_.panel_bytes(s));
      }
    }
  }

  // One strip of queries of head g of the group against one block of keys.
  void Strip(int64_t first, int64_t tokens, int64_t g, int64_t s, int64_t key, int64_t count,
             std::byte* base) const {
    const int64_t t0 = s * kernel_.strip_tokens;
    const int64_t n = std::min(kernel_.strip_tokens, tokens - t0);
    if (SeenKeys(args_, first + t0 + n - 1) <= key) return;
    const int64_t row0 = g * block_tokens_ + t0;
    const std::byte* strip = base + queries_ + row0 / kernel_.strip_tokens * strip_bytes_;
    float* scores = Floats(base, scores_);
    for (int64_t p = 0; p * kernel_.panel_rows < count; ++p) {
      const int64_t column = p * kernel_.panel_rows;
      kernel_.tile({base + keys_ + p * key_bytes_, strip,
                    std::min(kernel_.panel_rows, count - column), n, args_.head_dim,
                    scores + column, key_block_, /*accumulate=*/false});
    }
    float* max = Floats(base, stats_) + row0;
    float* sum = max + block_tokens_ * group_;
    float* out = Floats(base, sums_) + row0 * out_stride_;
    std::array<int64_t, kMostStrip> seen;
    std::array<float, kMostStrip> rescale;
    for (int64_t i = 0; i < n; ++i) {
      seen[static_cast<size_t>(i)] =
          std::clamp<int64_t>(SeenKeys(args_, first + t0 + i) - key, 0, count);
    }
    std::byte* weights = base + weights_;
    Weigh({scores, key_block_, n, count, seen.data(), args_.scale, max, sum, rescale.data(),
           weights});
    for (int64_t i = 0; i < n && key > 0; ++i) {
      const float factor = rescale[static_cast<size_t>(i)];
      if (factor != 1.0f) table_.scale(out + i * out_stride_, factor, out_stride_);
    }
    for (int64_t p = 0; p < value_panels_; ++p) {
      const int64_t column = p * kernel_.panel_rows;
      kernel_.tile({base + values_ + p * value_bytes_, weights,
                    std::min(kernel_.panel_rows, args_.head_dim - column), n, count, out + column,
                    out_stride_, /*accumulate=*/true});
    }
  }

  void Weigh(const PanelKernel::WeighArgs& w) const {
    if (kernel_.weigh != nullptr) return kernel_.weigh(w);
    for (int64_t i = 0; i < w.tokens; ++i) {
      float* row = w.scores + i * w.stride;
      std::fill(row + w.seen[i], row + w.keys, 0.0f);
      w.rescale[i] = w.seen[i] == 0
                         ? 1.0f
                         : table_.softmax_step(row, w.seen[i], w.scale, w.max + i, w.sum + i);
    }
    kernel_.pack_tokens(w.scores, w.stride, w.tokens, w.keys, w.strip);
  }

  void Finish(int64_t head, int64_t first, int64_t tokens, std::byte* base) const {
    const float* sum = Floats(base, stats_) + block_tokens_ * group_;
    const size_t bytes = static_cast<size_t>(args_.head_dim) * sizeof(float);
    for (int64_t g = 0; g < group_; ++g) {
      const int64_t column = (head * group_ + g) * args_.head_dim;
      for (int64_t t = 0; t < tokens; ++t) {
        const int64_t row = g * block_tokens_ + t;
        float* out = args_.out.Row(first + t) + column;
        std::memcpy(out, Floats(base, sums_) + row * out_stride_, bytes);
        table_.scale(out, 1.0f / sum[row], args_.head_dim);
      }
    }
  }

  const AttentionArgs& args_;
  const PanelKernel& kernel_;
  const KernelTable& table_;
  int64_t group_;
  int64_t block_tokens_, key_block_, key_panels_, value_panels_, out_stride_;
  int64_t key_bytes_, value_bytes_, strip_bytes_;
  ScratchPlan plan_;
  int64_t keys_, values_, queries_, scores_, weights_, sums_, stats_, bytes_;
};

// The kernel that works in blocks, or null where a few tokens, or their shape, go without.
const PanelKernel* BlockKernel(const AttentionArgs& args, const KernelTable& table,
                               Numerics numerics) {
  const PanelKernel* kernel = table.attention(args.keys.type, numerics);
  const bool few = args.q.rows <= kFewTokens;
  return kernel == nullptr || few || args.head_dim > kernel->k_block ? nullptr : kernel;
}

}  // namespace

int64_t AttentionScratch(const AttentionArgs& args, const ScratchSetting& setting) {
  const PanelKernel* kernel = BlockKernel(args, *setting.table, setting.numerics);
  if (kernel == nullptr) {
    SplitAttention split;
    split.Add(args);
    return split.ScratchBytes();
  }
  ScratchPlan plan;
  plan.Reserve(setting.threads * AttentionBlock(args, *kernel, *setting.table).bytes());
  return plan.bytes();
}

KvView AsKv(ConstMatView x, int head_dim) {
  const int64_t element = sizeof(float);
  return {DType::kF32, reinterpret_cast<const std::byte*>(x.data), x.stride * element,
          head_dim * element};
}

namespace {

void Check(const AttentionArgs& args) {
  MCV_CHECK(args.head_dim > 0 && args.kv_heads > 0 && args.heads % args.kv_heads == 0);
  MCV_CHECK(args.q.cols == int64_t{args.heads} * args.head_dim && args.out.cols == args.q.cols);
  MCV_CHECK(args.out.rows == args.q.rows && args.num_keys > 0 && args.scale > 0);
  MCV_CHECK(args.keys.type == args.values.type && IsKvType(args.keys.type));
  MCV_CHECK(args.head_dim % Traits(args.keys.type).block_elements == 0);
}

void AttendInBlocks(const AttentionArgs& args, const PanelKernel& kernel, Context& ctx) {
  const AttentionBlock block(args, kernel, *ctx.table);
  ScratchPlan plan;
  const int64_t workers = plan.Reserve(block.bytes() * ctx.pool->size());
  std::byte* base = plan.Acquire(ctx) + workers;
  const int64_t token_blocks = CeilDiv(args.q.rows, block.block_tokens());
  ctx.pool->For(token_blocks * args.kv_heads, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t item = begin; item < end; ++item) {
      // The last blocks first: with a causal mask they are the longest.
      const int64_t t = token_blocks - 1 - item / args.kv_heads;
      block.Run(item % args.kv_heads, t * block.block_tokens(), base + worker * block.bytes());
    }
  });
}

}  // namespace

void Attention(const AttentionArgs& args, Context& ctx) { Attention(std::span(&args, 1), ctx); }

void Attention(std::span<const AttentionArgs> sequences, Context& ctx) {
  SplitAttention few;
  for (const AttentionArgs& args : sequences) {
    Check(args);
    if (BlockKernel(args, *ctx.table, ctx.numerics) == nullptr) few.Add(args);
  }
  few.Run(ctx);
  for (const AttentionArgs& args : sequences) {
    const PanelKernel* kernel = BlockKernel(args, *ctx.table, ctx.numerics);
    if (kernel != nullptr) AttendInBlocks(args, *kernel, ctx);
  }
}

}  // namespace mcv
