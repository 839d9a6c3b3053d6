// y = epilogue(x * W^T): packs the tokens once, then hands out blocks of weight rows to the
// threads.
//
// A block of rows is computed for a block of tokens into a small buffer that stays in cache, and
// the epilogue takes it from there to y. How K is cut depends only on the shapes, and no row's
// result on its neighbours, so the result does not depend on the number of threads.
//
// Few tokens of a sequence read the rows in place, many go through panels. Where a pass has runs of
// both (Context::runs, shortest first), the tokens before `split` take the first way and those
// behind it the second, in one piece of work, so that the weights come from memory once.
#include <algorithm>
#include <array>

#include "kernels/drivers/scratch.h"
#include "kernels/table.h"

namespace mcv {

namespace {

int64_t BytesOf(DType type, int64_t elements) {
  return static_cast<int64_t>(*RowBytes(type, static_cast<uint64_t>(elements)));
}

}  // namespace

WeightView WeightView::Rows(int64_t begin, int64_t count) const {
  return {type, count, cols, data + begin * BytesOf(type, cols)};
}

namespace {

// One weight, how it is multiplied by, and where its kinds of packed tokens lie.
struct Side {
  WeightView weight;
  int64_t row_bytes = 0;
  int64_t split = 0;                   // tokens that read rows in place; they come first
  const DotKernel* dot = nullptr;      // theirs
  const PanelKernel* panel = nullptr;  // the others'; null where there are none
  int64_t dot_offset = 0;              // tokens [0, split), one after the other
  int64_t panel_offset = 0;            // strips from first_strip on
  int64_t first_strip = 0;             // the one that holds token `split`
};

struct Job {
  Side main;
  Side gate;  // SwiGLU only: y = silu(x * gate^T) * (x * main^T)
  Epilogue epilogue;
  MatView y;
  int64_t row_step = 0;
  int64_t first_item = 0;  // items of all jobs are numbered one after the other
  int64_t token_blocks = 1;
};

class MatMulPlan {
 public:
  MatMulPlan(ConstMatView x, Context& ctx, int workers)
      : x_(x), ctx_(ctx), table_(*ctx.table), workers_(workers) {
    MCV_CHECK(ctx.blocking.rows > 0 && ctx.blocking.tokens > 0 &&
              ctx.blocking.tokens % Blocking::kTokenStep == 0);
  }

  void Add(const WeightView& weight, const WeightView& gate, const Epilogue& epilogue, MatView y) {
    MCV_CHECK(weight.cols == x_.cols && y.rows == x_.rows && y.cols == weight.rows);
    MCV_CHECK(num_jobs_ < jobs_.size());
    if (x_.rows == 0 || weight.rows == 0) return;
    Job& job = jobs_[num_jobs_++];
    job.main = MakeSide(weight);
    if (!gate.empty()) {
      MCV_CHECK(gate.rows == weight.rows && gate.cols == weight.cols);
      job.gate = MakeSide(gate);
    }
    job.epilogue = epilogue;
    job.y = y;
    job.row_step = RowStep(job);
    job.token_blocks = CeilDiv(x_.rows, ctx_.blocking.tokens);
    job.first_item = num_items_;
    num_items_ += CeilDiv(weight.rows, job.row_step) * job.token_blocks;
    row_step_ = std::max(row_step_, job.row_step);
  }

  // After the last Add. What Run takes from the context.
  int64_t ScratchBytes() {
    if (num_items_ == 0) return 0;
    ReserveWorkers();
    return plan_.bytes();
  }

  void Run() {
    if (num_items_ == 0) return;
    const int64_t workers_offset = ReserveWorkers();
    base_ = plan_.Acquire(ctx_);
    for (size_t i = 0; i < num_packings_; ++i) Pack(packings_[i]);
    ctx_.pool->For(num_items_, 1, [&](int64_t begin, int64_t end, int worker) {
      std::byte* own = base_ + workers_offset + worker * worker_bytes_;
      for (int64_t item = begin; item < end; ++item) RunItem(item, own);
    });
  }

 private:
  // The workers' own buffers lie behind the packed tokens; returns where.
  int64_t ReserveWorkers() {
    token_block_ = std::min(x_.rows, ctx_.blocking.tokens);
    const int64_t sums_bytes = token_block_ * row_step_ * static_cast<int64_t>(sizeof(float));
    worker_bytes_ = ScratchPlan::RoundUp(panel_bytes_) + 2 * ScratchPlan::RoundUp(sums_bytes);
    return plan_.Reserve(worker_bytes_ * workers_);
  }

  // Tokens in the form of one kind of kernel; several weights may read the same.
  struct Packing {
    const DotKernel* dot = nullptr;      // tokens [0, split)
    const PanelKernel* panel = nullptr;  // or those behind
    int64_t split = 0;
    int64_t offset = 0;
  };

  Side MakeSide(const WeightView& weight) {
    Side side{.weight = weight};
    side.row_bytes = BytesOf(weight.type, weight.cols);
    side.dot = table_.dot(weight.type, ctx_.numerics);
    side.panel = table_.panel(weight.type, ctx_.numerics);
    side.split = side.panel == nullptr ? x_.rows : TokensOfFew(side.dot->max_tokens);
    if (side.split > 0) side.dot_offset = FindPacking({.dot = side.dot, .split = side.split});
    if (side.split == x_.rows) {
      side.panel = nullptr;
      return side;
    }
    const int64_t k = std::min(x_.cols, side.panel->k_block);
    const int64_t panels = PanelRowStep(*side.panel) / side.panel->panel_rows;
    panel_bytes_ = std::max(panel_bytes_, panels * PanelBytes(*side.panel, k));
    side.first_strip = side.split / side.panel->strip_tokens;
    side.panel_offset = FindPacking({.panel = side.panel, .split = side.split});
    return side;
  }

  // In the runs of at most `most` tokens, which come first.
  int64_t TokensOfFew(int64_t most) const {
    int64_t all = 0, few = 0;
    for (const int64_t run : ctx_.runs) {
      if (run <= most) few += run;
      all += run;
    }
    if (all == x_.rows) return few;
    return x_.rows <= most ? x_.rows : 0;
  }

  int64_t FindPacking(Packing wanted) {
    for (size_t i = 0; i < num_packings_; ++i) {
      const Packing& p = packings_[i];
      const bool same = wanted.panel != nullptr
                            ? p.panel == wanted.panel
                            : p.dot != nullptr && p.dot->pack_token == wanted.dot->pack_token;
      if (same && p.split == wanted.split) return p.offset;
    }
    MCV_CHECK(num_packings_ < packings_.size());
    wanted.offset = plan_.Reserve(PackedBytes(wanted));
    packings_[num_packings_] = wanted;
    return packings_[num_packings_++].offset;
  }

  int64_t PackedBytes(const Packing& packing) const {
    if (packing.panel == nullptr) {
      return packing.split * ScratchPlan::RoundUp(packing.dot->packed_bytes(x_.cols));
    }
    const int64_t strips = NumStrips(*packing.panel, packing.split);
    int64_t bytes = 0;
    for (int64_t k = 0; k < x_.cols; k += packing.panel->k_block) {
      const int64_t count = std::min(packing.panel->k_block, x_.cols - k);
      bytes += strips * ScratchPlan::RoundUp(packing.panel->strip_bytes(count));
    }
    return bytes;
  }

  // Strips begin at multiples of their length, so the first may hold some of the few tokens too.
  int64_t NumStrips(const PanelKernel& kernel, int64_t split) const {
    return CeilDiv(x_.rows, kernel.strip_tokens) - split / kernel.strip_tokens;
  }

  // A weight that is read in place takes any rows, so a panel beside it decides.
  int64_t RowStep(const Job& job) const {
    int64_t step = 0;
    for (const Side* side : {&job.main, &job.gate}) {
      if (side->panel != nullptr) step = std::max(step, PanelRowStep(*side->panel));
    }
    return step > 0 ? step : DotRowStep(job.main);
  }

  int64_t PanelRowStep(const PanelKernel& kernel) const {
    return std::max<int64_t>(1, ctx_.blocking.rows / kernel.panel_rows) * kernel.panel_rows;
  }

  // Few tokens wait for the weights to come from memory, and whoever begins somewhere else waits
  // longest: of short rows a piece takes more, as long as every worker gets some pieces.
  int64_t DotRowStep(const Side& side) const {
    constexpr int64_t kLongRow = 32768;  // bytes; 32 of them are 1 MB
    constexpr int64_t kPieces = 4;       // for each worker
    const int64_t rows = ctx_.blocking.rows;
    const int64_t wanted = std::min(rows * kLongRow / std::max<int64_t>(1, side.row_bytes),
                                    side.weight.rows / (kPieces * workers_));
    return std::clamp(wanted, rows, Blocking::kMostRows);
  }

  void Pack(const Packing& packing) {
    std::byte* out = base_ + packing.offset;
    if (packing.panel != nullptr) {
      PackStrips(*packing.panel, packing.split, out);
      return;
    }
    const int64_t bytes = ScratchPlan::RoundUp(packing.dot->packed_bytes(x_.cols));
    for (int64_t t = 0; t < packing.split; ++t) {
      packing.dot->pack_token(x_.Row(t), x_.cols, out + t * bytes);
    }
  }

  // Strips of a K block lie one after the other, K blocks after each other.
  void PackStrips(const PanelKernel& kernel, int64_t split, std::byte* out) {
    const int64_t strips = NumStrips(kernel, split);
    const int64_t first_strip = split / kernel.strip_tokens;
    for (int64_t k = 0; k < x_.cols; k += kernel.k_block) {
      const int64_t count = std::min(kernel.k_block, x_.cols - k);
      const int64_t bytes = ScratchPlan::RoundUp(kernel.strip_bytes(count));
      ctx_.pool->For(strips, 4, [&](int64_t begin, int64_t end, int) {
        for (int64_t s = begin; s < end; ++s) {
          const int64_t first = (first_strip + s) * kernel.strip_tokens;
          kernel.pack_tokens(x_.Row(first) + k, x_.stride,
                             std::min(kernel.strip_tokens, x_.rows - first), count,
                             out + s * bytes);
        }
      });
      out += strips * bytes;
    }
  }

  void RunItem(int64_t item, std::byte* own) const {
    size_t j = num_jobs_ - 1;
    while (jobs_[j].first_item > item) --j;
    const Job& job = jobs_[j];
    const int64_t local = item - job.first_item;
    const int64_t row = local / job.token_blocks * job.row_step;
    const int64_t rows = std::min(job.row_step, job.main.weight.rows - row);
    const int64_t token = local % job.token_blocks * ctx_.blocking.tokens;
    const int64_t tokens = std::min(ctx_.blocking.tokens, x_.rows - token);

    std::byte* panel = own;
    auto* sums = reinterpret_cast<float*>(own + ScratchPlan::RoundUp(panel_bytes_));
    Multiply(job.main, {row, rows, token, tokens}, panel, sums);
    if (job.gate.weight.empty()) {
      Epilogue epilogue = job.epilogue;
      if (epilogue.bias != nullptr) epilogue.bias += row;
      table_.epilogue(
          {sums, row_step_, tokens, rows, epilogue, job.y.Row(token) + row, job.y.stride});
      return;
    }
    float* gate = sums + token_block_ * row_step_;
    Multiply(job.gate, {row, rows, token, tokens}, panel, gate);
    for (int64_t t = 0; t < tokens; ++t) {
      table_.swiglu(gate + t * row_step_, sums + t * row_step_, rows, job.y.Row(token + t) + row);
    }
  }

  struct Block {
    int64_t row, rows, token, tokens;
  };

  // sums[t * row_step_ + r] = dot products of the block. Panels first: their first strip may hold
  // some of the few tokens, which are then overwritten.
  void Multiply(const Side& side, const Block& block, std::byte* panel, float* sums) const {
    if (block.token + block.tokens > side.split) MultiplyPanels(side, block, panel, sums);
    const int64_t few = std::min(side.split - block.token, block.tokens);
    if (few <= 0) return;
    const std::byte* weights = side.weight.data + block.row * side.row_bytes;
    const int64_t token_bytes = ScratchPlan::RoundUp(side.dot->packed_bytes(x_.cols));
    side.dot->rows({side.weight.type, weights, side.row_bytes, block.rows,
                    base_ + side.dot_offset + block.token * token_bytes, token_bytes, few, x_.cols,
                    sums, row_step_});
  }

  void MultiplyPanels(const Side& side, const Block& block, std::byte* panels, float* sums) const {
    const PanelKernel& kernel = *side.panel;
    const int64_t strips = NumStrips(kernel, side.split);
    const int64_t first_token =
        std::max<int64_t>(0, side.first_strip * kernel.strip_tokens - block.token);
    const std::byte* packed = base_ + side.panel_offset;
    for (int64_t k = 0; k < x_.cols; k += kernel.k_block) {
      const int64_t count = std::min(kernel.k_block, x_.cols - k);
      const int64_t strip_bytes = ScratchPlan::RoundUp(kernel.strip_bytes(count));
      const int64_t panel_bytes = PanelBytes(kernel, count);
      PackPanels(side, block, k, count, panels);
      Prefetch(side, block, k + count);
      for (int64_t t = first_token; t < block.tokens; t += kernel.strip_tokens) {
        const int64_t strip = (block.token + t) / kernel.strip_tokens - side.first_strip;
        const int64_t tokens = std::min(kernel.strip_tokens, block.tokens - t);
        for (int64_t r = 0; r < block.rows; r += kernel.panel_rows) {
          kernel.tile({panels + r / kernel.panel_rows * panel_bytes, packed + strip * strip_bytes,
                       std::min(kernel.panel_rows, block.rows - r), tokens, count,
                       sums + t * row_step_ + r, row_step_, /*accumulate=*/k > 0});
        }
      }
      packed += strips * strip_bytes;
    }
  }

  void PackPanels(const Side& side, const Block& block, int64_t k, int64_t count,
                  std::byte* panels) const {
    const PanelKernel& kernel = *side.panel;
    const std::byte* weights =
        side.weight.data + block.row * side.row_bytes + BytesOf(side.weight.type, k);
    for (int64_t r = 0; r < block.rows; r += kernel.panel_rows) {
      kernel.pack_rows(side.weight.type, weights + r * side.row_bytes, side.row_bytes,
                       std::min(kernel.panel_rows, block.rows - r), count,
                       panels + r / kernel.panel_rows * PanelBytes(kernel, count));
    }
  }

  // What PackPanels will read next, asked for while the tiles are at work: the rows' block from k
  // on, or after the last one the first of the rows behind these, which are soon somebody's. (Past
  // the last row this touches nothing: a prefetch cannot fault.)
  void Prefetch(const Side& side, const Block& block, int64_t k) const {
    constexpr int64_t kLine = 64;
    int64_t row = block.row;
    if (k == x_.cols) {
      row += block.rows;
      k = 0;
    }
    const DType type = side.weight.type;
    const std::byte* at = side.weight.data + row * side.row_bytes + BytesOf(type, k);
    const int64_t bytes = BytesOf(type, std::min(side.panel->k_block, x_.cols - k));
    for (int64_t r = 0; r < block.rows; ++r, at += side.row_bytes) {
      for (int64_t i = 0; i < bytes; i += kLine) __builtin_prefetch(at + i);
    }
  }

  static int64_t PanelBytes(const PanelKernel& kernel, int64_t k) {
    return ScratchPlan::RoundUp(kernel.panel_bytes(k));
  }

  ConstMatView x_;
  Context& ctx_;
  const KernelTable& table_;
  const int workers_;
  ScratchPlan plan_;
  std::array<Job, 8> jobs_;
  size_t num_jobs_ = 0;
  std::array<Packing, 8> packings_;
  size_t num_packings_ = 0;
  int64_t num_items_ = 0;
  int64_t row_step_ = 0;
  int64_t token_block_ = 0;
  int64_t panel_bytes_ = 0;
  int64_t worker_bytes_ = 0;
  std::byte* base_ = nullptr;
};

}  // namespace

void MatMul(ConstMatView x, const WeightView& weight, const Epilogue& epilogue, MatView y,
            Context& ctx) {
  MatMulPlan plan(x, ctx, ctx.pool->size());
  plan.Add(weight, {}, epilogue, y);
  plan.Run();
}

void MatMulMany(ConstMatView x, std::span<const MatMulTask> tasks, Context& ctx) {
  MatMulPlan plan(x, ctx, ctx.pool->size());
  for (const MatMulTask& task : tasks) plan.Add(task.weight, {}, task.epilogue, task.y);
  plan.Run();
}

void MatMulSwiGlu(ConstMatView x, const WeightView& gate, const WeightView& up, MatView y,
                  Context& ctx) {
  MatMulPlan plan(x, ctx, ctx.pool->size());
  plan.Add(up, gate, {}, y);
  plan.Run();
}

namespace {

Context ContextFor(const ScratchSetting& setting) {
  Context ctx;
  ctx.table = setting.table;
  ctx.numerics = setting.numerics;
  ctx.blocking = setting.blocking;
  return ctx;
}

}  // namespace

int64_t MatMulScratch(int64_t tokens, std::span<const WeightView> weights,
                      const ScratchSetting& setting) {
  if (weights.empty()) return 0;
  Context ctx = ContextFor(setting);
  MatMulPlan plan({nullptr, tokens, weights[0].cols}, ctx, setting.threads);
  for (const WeightView& weight : weights) {
    plan.Add(weight, {}, {}, {nullptr, tokens, weight.rows});
  }
  return plan.ScratchBytes();
}

int64_t SwiGluScratch(int64_t tokens, const WeightView& gate, const WeightView& up,
                      const ScratchSetting& setting) {
  Context ctx = ContextFor(setting);
  MatMulPlan plan({nullptr, tokens, up.cols}, ctx, setting.threads);
  plan.Add(up, gate, {}, {nullptr, tokens, up.rows});
  return plan.ScratchBytes();
}

}  // namespace mcv
