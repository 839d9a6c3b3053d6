// Row operations over Vec: norms, rope, epilogues, conversions, softmax, and attention for one
// token. Include inside a region, after vec.h and math-inl.h.
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

void LayerNormRow(const float* x, const float* weight, const float* bias, float eps, int64_t n,
                  float* y) {
  Vec sum = Zero();
  for (int64_t i = 0; i < n; i += kLanes) sum = Add(sum, LoadN(x + i, Take(n - i)));
  const Vec mean = Set(SumLanes(sum) / static_cast<float>(n));
  Vec squares = Zero();
  for (int64_t i = 0; i < n; i += kLanes) {
    const int count = Take(n - i);
    const Vec d = KeepN(Sub(LoadN(x + i, count), mean), count);
    squares = Fma(d, d, squares);
  }
  const float variance = SumLanes(squares) / static_cast<float>(n);
  const Vec inverse = Set(1.0f / __builtin_sqrtf(variance + eps));
  for (int64_t i = 0; i < n; i += kLanes) {
    const int count = Take(n - i);
    const Vec d = Mul(Sub(LoadN(x + i, count), mean), inverse);
    const Vec b = bias != nullptr ? LoadN(bias + i, count) : Zero();
    StoreN(y + i, Fma(d, LoadN(weight + i, count), b), count);
  }
}

void RmsNormRow(const float* x, const float* weight, float eps, int64_t n, float* y) {
  Vec squares = Zero();
  for (int64_t i = 0; i < n; i += kLanes) {
    const Vec v = LoadN(x + i, Take(n - i));
    squares = Fma(v, v, squares);
  }
  const float mean = SumLanes(squares) / static_cast<float>(n);
  const Vec inverse = Set(1.0f / __builtin_sqrtf(mean + eps));
  for (int64_t i = 0; i < n; i += kLanes) {
    const int count = Take(n - i);
    StoreN(y + i, Mul(Mul(LoadN(x + i, count), inverse), LoadN(weight + i, count)), count);
  }
}

void RopeHead(float* x, int64_t half, const float* cos, const float* sin, RopeStyle style) {
  if (style == RopeStyle::kAdjacent) {
    for (int64_t i = 0; i < half; ++i) {  // the compiler's shuffles do well enough here
      const float a = x[2 * i];
      const float b = x[2 * i + 1];
      x[2 * i] = a * cos[i] - b * sin[i];
      x[2 * i + 1] = b * cos[i] + a * sin[i];
    }
    return;
  }
  for (int64_t i = 0; i < half; i += kLanes) {
    const int count = Take(half - i);
    const Vec a = LoadN(x + i, count);
    const Vec b = LoadN(x + half + i, count);
    const Vec c = LoadN(cos + i, count);
    const Vec s = LoadN(sin + i, count);
    StoreN(x + i, Sub(Mul(a, c), Mul(b, s)), count);
    StoreN(x + half + i, Add(Mul(b, c), Mul(a, s)), count);
  }
}

template <Activation kActivation>
void EpilogueRows(const EpilogueBlock& block) {
  const Epilogue& e = block.epilogue;
  const Vec scale = Set(e.scale);
  for (int64_t t = 0; t < block.tokens; ++t) {
    const float* c = block.c + t * block.ldc;
    float* y = block.y + t * block.y_stride;
    for (int64_t j = 0; j < block.columns; j += kLanes) {
      const int count = Take(block.columns - j);
      Vec v = LoadN(c + j, count);
      if (e.bias != nullptr) v = Add(v, LoadN(e.bias + j, count));
      v = Mul(Activate<kActivation>(v), scale);
      if (e.accumulate) v = Add(v, LoadN(y + j, count));
      StoreN(y + j, v, count);
    }
  }
}

void ApplyEpilogue(const EpilogueBlock& block) {
  switch (block.epilogue.activation) {
    case Activation::kNone:
      return EpilogueRows<Activation::kNone>(block);
    case Activation::kGeluTanh:
      return EpilogueRows<Activation::kGeluTanh>(block);
    case Activation::kGeluErf:
      return EpilogueRows<Activation::kGeluErf>(block);
    case Activation::kSilu:
      return EpilogueRows<Activation::kSilu>(block);
  }
}

void SwiGluRow(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int count = Take(n - i);
    StoreN(y + i, Mul(Silu(LoadN(gate + i, count)), LoadN(up + i, count)), count);
  }
}

void AddScaledRow(const float* x, float scale, int64_t n, float* y) {
  const Vec factor = Set(scale);
  for (int64_t i = 0; i < n; i += kLanes) {
    const int count = Take(n - i);
    StoreN(y + i, Fma(LoadN(x + i, count), factor, LoadN(y + i, count)), count);
  }
}

void ScaleRow(float* x, float scale, int64_t n) {
  const Vec factor = Set(scale);
  for (int64_t i = 0; i < n; i += kLanes) {
    const int count = Take(n - i);
    StoreN(x + i, Mul(LoadN(x + i, count), factor), count);
  }
}

struct F32Loader {
  static constexpr int64_t kBytes = 4;
  static MCV_INLINE Vec At(const std::byte* p, int count) {
    return LoadN(reinterpret_cast<const float*>(p), count);
  }
};
struct F16Loader {
  static constexpr int64_t kBytes = 2;
  static MCV_INLINE Vec At(const std::byte* p, int count) { return LoadF16(p, count); }
};
struct Bf16Loader {
  static constexpr int64_t kBytes = 2;
  static MCV_INLINE Vec At(const std::byte* p, int count) { return LoadBf16(p, count); }
};

template <class Loader>
void LoadFloatRow(const std::byte* row, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int count = Take(n - i);
    StoreN(out + i, Loader::At(row + i * Loader::kBytes, count), count);
  }
}

// The leaf says how quantised rows are loaded.
void LoadRow(DType type, const std::byte* row, int64_t n, float* out) {
  switch (type) {
    case DType::kF32:
      return LoadFloatRow<F32Loader>(row, n, out);
    case DType::kF16:
      return LoadFloatRow<F16Loader>(row, n, out);
    case DType::kBF16:
      return LoadFloatRow<Bf16Loader>(row, n, out);
    default:
      return LoadQuantisedRow(type, row, n, out);
  }
}

void StoreRow(const float* x, int64_t n, DType type, std::byte* out) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int count = Take(n - i);
    const Vec v = LoadN(x + i, count);
    if (type == DType::kF32) {
      StoreN(reinterpret_cast<float*>(out) + i, v, count);
    } else if (type == DType::kF16) {
      StoreF16(out + 2 * i, v, count);
    } else {
      StoreBf16(out + 2 * i, v, count);
    }
  }
}

float SoftmaxStep(float* s, int64_t n, float scale, float* max, float* sum) {
  Vec high = Set(*max);
  for (int64_t i = 0; i < n; i += kLanes) high = Max(high, LoadN(s + i, Take(n - i), *max));
  const float new_max = MaxLane(high);
  const Vec offset = Set(-scale * new_max);
  const Vec factor = Set(scale);
  Vec total = Zero();
  for (int64_t i = 0; i < n; i += kLanes) {
    const int count = Take(n - i);
    const Vec p = KeepN(Exp(Fma(LoadN(s + i, count), factor, offset)), count);
    StoreN(s + i, p, count);
    total = Add(total, p);
  }
  // Nothing came before the first step: its maximum is -infinity and its sums are zero.
  float rescale = 1.0f;
  if (new_max != *max) {
    rescale = __builtin_isinf(*max) ? 0.0f : __builtin_expf(scale * (*max - new_max));
  }
  *sum = *sum * rescale + SumLanes(total);
  *max = new_max;
  return rescale;
}

// A head's part of one cache row is a few lines, the next row is a page or half a page away: no
// hardware prefetcher follows that. (Past the last row this touches nothing: a prefetch cannot
// fault.)
constexpr int64_t kRowsAhead = 12;
MCV_INLINE void PrefetchRow(const std::byte* p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
}

// Attention of kRows query heads of one token over one key/value head: keys and values are read
// once, as they lie.
template <class Loader, int kRows>
void AttendHeads(const AttendArgs& args, int64_t first) {
  const int64_t d = args.head_dim;
  const float* q = args.q + first * d;
  float* scores = args.scores + first * args.num_keys;
  for (int64_t s = 0; s < args.num_keys; ++s) {
    const std::byte* key = args.keys.data + s * args.keys.row_bytes;
    PrefetchRow(key + kRowsAhead * args.keys.row_bytes, d * Loader::kBytes);
    Vec dot[kRows];
    MCV_UNROLL
    for (int r = 0; r < kRows; ++r) dot[r] = Zero();
    for (int64_t i = 0; i < d; i += kLanes) {
      const int count = Take(d - i);
      const Vec k = Loader::At(key + i * Loader::kBytes, count);
      MCV_UNROLL
      for (int r = 0; r < kRows; ++r) dot[r] = Fma(LoadN(q + r * d + i, count), k, dot[r]);
    }
    if constexpr (kRows == 4) {
      float sums[4];
      SumLanes4(dot, sums);
      for (int r = 0; r < kRows; ++r) scores[r * args.num_keys + s] = sums[r];
    } else {
      for (int r = 0; r < kRows; ++r) scores[r * args.num_keys + s] = SumLanes(dot[r]);
    }
  }
  float inverse[kRows];
  for (int r = 0; r < kRows; ++r) {
    float max = -__builtin_inff();
    float sum = 0;
    SoftmaxStep(scores + r * args.num_keys, args.num_keys, args.scale, &max, &sum);
    inverse[r] = 1.0f / sum;
  }
  constexpr int kWide = kLanes == 16 ? 4 : 2;  // vectors of a value row taken together
  for (int64_t i = 0; i < d; i += kWide * kLanes) {
    Vec sums[kRows][kWide];
    int count[kWide];
    MCV_UNROLL
    for (int w = 0; w < kWide; ++w) {
      const int64_t left = d - i - w * kLanes;
      count[w] = left > 0 ? Take(left) : 0;
      MCV_UNROLL
      for (int r = 0; r < kRows; ++r) sums[r][w] = Zero();
    }
    for (int64_t s = 0; s < args.num_keys; ++s) {
      const std::byte* value = args.values.data + s * args.values.row_bytes + i * Loader::kBytes;
      PrefetchRow(value + kRowsAhead * args.values.row_bytes, kWide * kLanes * Loader::kBytes);
      MCV_UNROLL
      for (int w = 0; w < kWide; ++w) {
        if (count[w] == 0) continue;
        const Vec v = Loader::At(value + w * kLanes * Loader::kBytes, count[w]);
        MCV_UNROLL
        for (int r = 0; r < kRows; ++r) {
          sums[r][w] = Fma(Set(scores[r * args.num_keys + s]), v, sums[r][w]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int w = 0; w < kWide; ++w) {
        if (count[w] == 0) continue;
        StoreN(args.out + (first + r) * d + i + w * kLanes, Mul(sums[r][w], Set(inverse[r])),
               count[w]);
      }
    }
  }
}

template <class Loader>
void AttendWith(const AttendArgs& args) {
  int64_t r = 0;
  for (; r + 4 <= args.rows; r += 4) AttendHeads<Loader, 4>(args, r);
  for (; r + 2 <= args.rows; r += 2) AttendHeads<Loader, 2>(args, r);
  for (; r < args.rows; ++r) AttendHeads<Loader, 1>(args, r);
}

void Attend(const AttendArgs& args) {
  switch (args.keys.type) {
    case DType::kF32:
      return AttendWith<F32Loader>(args);
    case DType::kF16:
      return AttendWith<F16Loader>(args);
    default:
      return AttendWith<Bf16Loader>(args);
  }
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
