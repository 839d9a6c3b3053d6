#include "model/activations.h"

#include <algorithm>
#include <new>

#include "base/status.h"

namespace mcv {

void Arena::Reset(int64_t floats) {
  used_ = 0;
  if (floats <= capacity_) return;
  // The old memory first, so that the peak is the larger of the two, not the sum.
  data_ = UntouchedMemory();
  capacity_ = 0;
  data_ = UntouchedMemory::Take(floats * static_cast<int64_t>(sizeof(float)), PageSize::kLarge);
  if (data_.empty()) throw std::bad_alloc();
  capacity_ = floats;
}

MatView Arena::Take(int64_t rows, int64_t cols) {
  MatView view(reinterpret_cast<float*>(data_.data()) + used_, rows, cols);
  used_ += Need(rows, cols);
  MCV_CHECK(used_ <= capacity_);
  return view;
}

int64_t VisionActivations::FloatsFor(const ModelConfig& config, int64_t num_patches) {
  const int64_t n = num_patches;
  const int64_t c = config.vision.width;
  const int64_t f = config.vision.ffn;
  const int64_t p = int64_t{3} * config.vision.patch * config.vision.patch;
  const int64_t e = config.resampler.width;
  const int64_t queries_count = config.resampler.queries;
  const int64_t kept = Arena::Need(n, c);  // x: the tower's result is the resampler's input
  const int64_t tower = Arena::Need(n, p) + 5 * Arena::Need(n, c) + Arena::Need(n, f);
  const int64_t resampler = 3 * Arena::Need(n, e) + 3 * Arena::Need(queries_count, e);
  return kept + std::max(tower, resampler);
}

void VisionActivations::Shape(const ModelConfig& config, int64_t num_patches) {
  const int64_t n = num_patches;
  const int64_t c = config.vision.width;
  const int64_t f = config.vision.ffn;
  const int64_t p = int64_t{3} * config.vision.patch * config.vision.patch;
  const int64_t e = config.resampler.width;
  const int64_t queries_count = config.resampler.queries;
  arena_.Reset(FloatsFor(config, num_patches));

  x = arena_.Take(n, c);
  patches = arena_.Take(n, p);
  normed = arena_.Take(n, c);
  q = arena_.Take(n, c);
  k = arena_.Take(n, c);
  v = arena_.Take(n, c);
  mixed = arena_.Take(n, c);
  hidden = arena_.Take(n, f);

  arena_.Reset(0);
  x = arena_.Take(n, c);
  kv = arena_.Take(n, e);
  keys = arena_.Take(n, e);
  values = arena_.Take(n, e);
  queries = arena_.Take(queries_count, e);
  resampled = arena_.Take(queries_count, e);
  projected = arena_.Take(queries_count, e);
}

int64_t TextActivations::FloatsFor(const TextConfig& config, int64_t num_tokens) {
  const int64_t t = num_tokens;
  const int64_t query_width = int64_t{config.heads} * config.head_dim;
  const int64_t kv_width = int64_t{config.kv_heads} * config.head_dim;
  return 2 * Arena::Need(t, config.width) + 2 * Arena::Need(t, query_width) +
         2 * Arena::Need(t, kv_width) + Arena::Need(t, config.ffn);
}

void TextActivations::Shape(const TextConfig& config, int64_t num_tokens) {
  const int64_t t = num_tokens;
  const int64_t e = config.width;
  const int64_t query_width = int64_t{config.heads} * config.head_dim;
  const int64_t kv_width = int64_t{config.kv_heads} * config.head_dim;
  arena_.Reset(FloatsFor(config, num_tokens));
  x = arena_.Take(t, e);
  normed = arena_.Take(t, e);
  q = arena_.Take(t, query_width);
  k = arena_.Take(t, kv_width);
  v = arena_.Take(t, kv_width);
  mixed = arena_.Take(t, query_width);
  hidden = arena_.Take(t, config.ffn);
}

void TextActivations::KeepFirstRows(int64_t rows) {
  for (MatView* buffer : {&x, &normed, &q, &k, &v, &mixed, &hidden}) {
    *buffer = buffer->Rows(0, rows);
  }
}

}  // namespace mcv
