#include "model/text/rope_table.h"

#include <cmath>
#include <cstring>
#include <string>

#include "base/checked.h"

namespace mcv {

RopeCache::RopeCache(int head_dim, float theta) : half_(head_dim / 2) {
  for (int64_t i = 0; i < half_; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const float power = static_cast<float>(std::pow(double{theta}, double{exponent}));
    inv_freq_.push_back(1.0f / power);
  }
}

Result<RopeCache> RopeCache::Create(int head_dim, float theta, int64_t positions, int64_t rows) {
  RopeCache rope(head_dim, theta);
  rope.most_positions_ = positions;
  rope.most_rows_ = rows;
  const auto bytes = CheckedProduct<int64_t>({positions, 2, rope.half_, sizeof(float)});
  const auto gathered = CheckedProduct<int64_t>({rows, 2, rope.half_, sizeof(float)});
  if (bytes && gathered && *bytes > 0 && *gathered > 0) {
    rope.table_ = UntouchedMemory::Take(*bytes, PageSize::kSmall);
    rope.gathered_ = UntouchedMemory::Take(*gathered, PageSize::kSmall);
  }
  if (rope.table_.empty() || rope.gathered_.empty()) {
    return ResourceExhausted("no memory for the angles of " + std::to_string(positions) +
                             " positions (" + std::to_string(bytes.value_or(-1)) +
                             " bytes); choose a smaller context");
  }
  return rope;
}

void RopeCache::FillUpTo(int64_t positions) {
  MCV_CHECK(positions <= most_positions_);
  for (; filled_ < positions; ++filled_) {
    float* cos = Table(filled_);
    float* sin = cos + half_;
    for (int64_t i = 0; i < half_; ++i) {
      const float angle = static_cast<float>(filled_) * inv_freq_[static_cast<size_t>(i)];
      cos[i] = static_cast<float>(std::cos(double{angle}));
      sin[i] = static_cast<float>(std::sin(double{angle}));
    }
  }
}

RopeTable RopeCache::Rows(std::span<const PositionRange> ranges) {
  int64_t rows = 0;
  for (const PositionRange& range : ranges) {
    FillUpTo(range.first + range.count);
    rows += range.count;
  }
  float* from = nullptr;
  if (ranges.size() == 1) {
    from = Table(ranges[0].first);
  } else {
    MCV_CHECK(rows <= most_rows_);
    float* to = from = reinterpret_cast<float*>(gathered_.data());
    for (const PositionRange& range : ranges) {
      const int64_t floats = range.count * 2 * half_;
      std::memcpy(to, Table(range.first), static_cast<size_t>(floats) * sizeof(float));
      to += floats;
    }
  }
  return {ConstMatView(from, rows, half_, 2 * half_),
          ConstMatView(from + half_, rows, half_, 2 * half_)};
}

}  // namespace mcv
