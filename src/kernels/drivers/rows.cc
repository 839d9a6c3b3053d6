// Operations on rows: the table does one row, the pool shares them out.
#include <algorithm>

#include "kernels/table.h"

namespace mcv {
namespace {

// Rows per chunk so that a chunk is about 16k elements: a few microseconds, several times the price
// of handing it out.
int64_t RowGrain(int64_t cols) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, cols)); }

}  // namespace

void LayerNorm(ConstMatView x, const float* weight, const float* bias, float eps, MatView y,
               Context& ctx) {
  MCV_CHECK(x.rows == y.rows && x.cols == y.cols);
  ctx.pool->For(x.rows, RowGrain(x.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      ctx.table->layer_norm(x.Row(r), weight, bias, eps, x.cols, y.Row(r));
    }
  });
}

void RmsNorm(ConstMatView x, const float* weight, float eps, MatView y, Context& ctx) {
  MCV_CHECK(x.rows == y.rows && x.cols == y.cols);
  ctx.pool->For(x.rows, RowGrain(x.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      ctx.table->rms_norm(x.Row(r), weight, eps, x.cols, y.Row(r));
    }
  });
}

void Rope(MatView x, int heads, int head_dim, const RopeTable& table, RopeStyle style,
          Context& ctx) {
  MCV_CHECK(x.cols == int64_t{heads} * head_dim && head_dim % 2 == 0);
  MCV_CHECK(table.cos.rows >= x.rows && table.cos.cols >= head_dim / 2);
  ctx.pool->For(x.rows, RowGrain(x.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      for (int h = 0; h < heads; ++h) {
        ctx.table->rope(x.Row(r) + int64_t{h} * head_dim, head_dim / 2, table.cos.Row(r),
                        table.sin.Row(r), style);
      }
    }
  });
}

void StoreKv(ConstMatView x, int head_dim, int64_t first, const MutableKvView& out, Context& ctx) {
  MCV_CHECK(IsKvType(out.type) && head_dim % Traits(out.type).block_elements == 0);
  MCV_CHECK(head_dim > 0 && x.cols % head_dim == 0);
  ctx.pool->For(x.rows, RowGrain(x.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t h = 0; h * head_dim < x.cols; ++h) {
        ctx.table->store_row(x.Row(r) + h * head_dim, head_dim, out.type, out.At(h, first + r));
      }
    }
  });
}

void EmbedRows(const WeightView& table, std::span<const int32_t> ids, float scale, MatView y,
               Context& ctx) {
  MCV_CHECK(y.rows == static_cast<int64_t>(ids.size()) && y.cols == table.cols);
  const auto row_bytes =
      static_cast<int64_t>(*RowBytes(table.type, static_cast<uint64_t>(table.cols)));
  ctx.pool->For(y.rows, RowGrain(y.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const int32_t id = ids[static_cast<size_t>(r)];
      MCV_DCHECK(id >= 0 && id < table.rows);
      ctx.table->load_row(table.type, table.data + id * row_bytes, y.cols, y.Row(r));
      if (scale != 1.0f) ctx.table->scale(y.Row(r), scale, y.cols);
    }
  });
}

void AddScaled(ConstMatView x, float scale, MatView y, Context& ctx) {
  MCV_CHECK(x.rows == y.rows && x.cols == y.cols);
  ctx.pool->For(x.rows, RowGrain(x.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      ctx.table->add_scaled(x.Row(r), scale, x.cols, y.Row(r));
    }
  });
}

}  // namespace mcv
