#include "model/text/rope_table.h"

#include <cmath>

namespace mcv {

RopeCache::RopeCache(int head_dim, float theta) : half_(head_dim / 2) {
  for (int64_t i = 0; i < half_; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const float power = static_cast<float>(std::pow(double{theta}, double{exponent}));
    inv_freq_.push_back(1.0f / power);
  }
}

void RopeCache::Fill(int64_t position, float* cos, float* sin) const {
  for (int64_t i = 0; i < half_; ++i) {
    const float angle = static_cast<float>(position) * inv_freq_[static_cast<size_t>(i)];
    cos[i] = static_cast<float>(std::cos(double{angle}));
    sin[i] = static_cast<float>(std::sin(double{angle}));
  }
}

RopeTable RopeCache::Range(int64_t first, int64_t count) {
  const int64_t have = static_cast<int64_t>(cos_.size()) / half_;
  const int64_t need = first + count;
  if (need > have) {
    cos_.resize(static_cast<size_t>(need * half_));
    sin_.resize(static_cast<size_t>(need * half_));
    for (int64_t p = have; p < need; ++p) Fill(p, &cos_[p * half_], &sin_[p * half_]);
  }
  return {ConstMatView(cos_.data() + first * half_, count, half_),
          ConstMatView(sin_.data() + first * half_, count, half_)};
}

RopeTable RopeCache::Repeat(int64_t position, int64_t count) {
  repeated_cos_.resize(static_cast<size_t>(count * half_));
  repeated_sin_.resize(static_cast<size_t>(count * half_));
  for (int64_t row = 0; row < count; ++row) {
    Fill(position, &repeated_cos_[row * half_], &repeated_sin_[row * half_]);
  }
  return {ConstMatView(repeated_cos_.data(), count, half_),
          ConstMatView(repeated_sin_.data(), count, half_)};
}

}  // namespace mcv
