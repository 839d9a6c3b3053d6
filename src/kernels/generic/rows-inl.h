// Row operations over Vec: norms, rope, epilogues, conversions, softmax. Include inside a region,
// after vec.h and math-inl.h.
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

// Rows of y are far apart and mostly not in a cache: written one by one, each waits for its lines.
constexpr int64_t kOutputsAhead = 8;

template <Activation kActivation>
void EpilogueRows(const EpilogueBlock& block) {
  const Epilogue& e = block.epilogue;
  const Vec scale = Set(e.scale);
  for (int64_t t = 0; t < block.tokens; ++t) {
    const float* c = block.c + t * block.ldc;
    float* y = block.y + t * block.y_stride;
    for (int64_t j = 0; j < block.columns; j += kLanes) {
      const int count = Take(block.columns - j);
      __builtin_prefetch(y + kOutputsAhead * block.y_stride + j, 1);
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

// How stored elements become floats. At: from an address, float types only. In: `count` elements
// from the i-th on of the group of kGroup that begins at `group`; all of them lie inside it.
constexpr int64_t kGroup = 32;
struct F32Loader {
  static constexpr int64_t kBytes = 4;
  static constexpr int64_t kGroupBytes = kGroup * kBytes;
  static MCV_INLINE Vec At(const std::byte* p, int count) {
    return LoadN(reinterpret_cast<const float*>(p), count);
  }
  static MCV_INLINE Vec In(const std::byte* group, int64_t i, int count) {
    return At(group + i * kBytes, count);
  }
};
struct F16Loader {
  static constexpr int64_t kBytes = 2;
  static constexpr int64_t kGroupBytes = kGroup * kBytes;
  static MCV_INLINE Vec At(const std::byte* p, int count) { return LoadF16(p, count); }
  static MCV_INLINE Vec In(const std::byte* group, int64_t i, int count) {
    return At(group + i * kBytes, count);
  }
};
struct Bf16Loader {
  static constexpr int64_t kBytes = 2;
  static constexpr int64_t kGroupBytes = kGroup * kBytes;
  static MCV_INLINE Vec At(const std::byte* p, int count) { return LoadBf16(p, count); }
  static MCV_INLINE Vec In(const std::byte* group, int64_t i, int count) {
    return At(group + i * kBytes, count);
  }
};
// A half as scale, then 32 int8. Groups are whole, so a vector of one is, too.
struct Q8Loader {
  static constexpr int64_t kGroupBytes = 34;
  static MCV_INLINE Vec In(const std::byte* group, int64_t i, int /*count*/) {
    return Mul(LoadInt8(group + 2 + i), SetF16(group));
  }
};

// `count` elements of a row from the i-th on; i is a multiple of kLanes.
template <class Loader>
MCV_INLINE Vec ElementsAt(const std::byte* row, int64_t i, int count) {
  return Loader::In(row + i / kGroup * Loader::kGroupBytes, i % kGroup, count);
}

template <class Loader>
void LoadFloatRow(const std::byte* row, int64_t n, float* out) {
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    Store(out + i, Loader::At(row + i * Loader::kBytes, kLanes));
  }
  if (whole == n) return;
  const int count = Take(n - whole);
  StoreN(out + whole, Loader::At(row + whole * Loader::kBytes, count), count);
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

// The nearest whole number, halves away from zero, as the reference quantisers round.
MCV_INLINE Vec RoundHalvesAway(Vec x) {
  const Vec size = Abs(x);
  const Vec even = Round(size);
  // size - even is exact, and 1/2 only where a half went down.
  const Vec missing = WhereNegative(Sub(Sub(size, even), Set(0.5f)), Zero(), Set(1.0f));
  const Vec away = Add(even, missing);
  return WhereNegative(x, Sub(Zero(), away), away);
}

// To the last bit what formats/quant makes; n is a multiple of 32.
void StoreQ8Row(const float* x, int64_t n, std::byte* out) {
  for (int64_t i = 0; i < n; i += kGroup, out += Q8Loader::kGroupBytes) {
    Vec high = Zero();
    for (int64_t j = 0; j < kGroup; j += kLanes) high = Max(Abs(Load(x + i + j)), high);
    const float scale = MaxLane(high) / 127.0f;
    StoreF16(out, Set(scale), 1);
    // Below 2^-127 the inverse is infinite, and the scale is stored as zero anyway.
    const float inverse = scale > 0x1p-127f ? 1.0f / scale : 0.0f;
    auto* quants = reinterpret_cast<int8_t*>(out + 2);
    for (int64_t j = 0; j < kGroup; j += kLanes) {
      StoreInt8(quants + j, RoundHalvesAway(Mul(Load(x + i + j), Set(inverse))));
    }
  }
}

void StoreRow(const float* x, int64_t n, DType type, std::byte* out) {
  if (type == DType::kQ8_0) return StoreQ8Row(x, n, out);
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
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec p = Exp(Fma(Load(s + i), factor, offset));
    Store(s + i, p);
    total = Add(total, p);
  }
  if (whole < n) {
    const int count = Take(n - whole);
    const Vec p = KeepN(Exp(Fma(LoadN(s + whole, count), factor, offset)), count);
    StoreN(s + whole, p, count);
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

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
