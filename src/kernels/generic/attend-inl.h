// Attention of one token over a run of keys, with a running softmax over small blocks of keys: the
// keys and values of a block are read from memory once, by all query heads of the group, and its
// scores never leave the first-level cache. Include inside a region, after rows-inl.h.
//
// The two halves of a block fetch for each other: while keys are multiplied the block's values
// travel, and while values are summed the next block's keys do, so that memory is never idle. (A
// head's part of a row is a few lines and the next row is half a page away: no hardware prefetcher
// follows that. Past the last row this touches nothing: a prefetch cannot fault.)
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

constexpr int64_t kBlockKeys = 32;
// Nothing has fetched the keys of the first block: so many rows ahead of their use.
constexpr int64_t kRowsAhead = 8;

// A block of keys of one key/value head. `first`: nothing came before it, neither sums nor a fetch.
struct KeyBlock {
  const std::byte* keys;
  const std::byte* values;
  int64_t key_bytes, value_bytes;  // from one row to the next
  int64_t count;
  bool first;
};

// Registers: kRows x kKeys sums, the keys' elements and one query's.
template <int kRows>
constexpr int kKeysTogether = (kLanes == 16 ? 16 : 8) / kRows;

// dot[r * kKeys + j] += products of row r and key j over `count` of the elements i + step.
template <class Loader, int kRows, int kKeys>
MCV_INLINE void ScoreStep(const float* q, int64_t d, const std::byte* const (&rows)[kKeys],
                          int64_t i, int64_t step, int count, Vec (&dot)[kRows * kKeys]) {
  const int64_t group = i / kGroup * Loader::kGroupBytes;
  Vec k[kKeys];
  MCV_UNROLL
  for (int j = 0; j < kKeys; ++j) k[j] = Loader::In(rows[j] + group, step, count);
  MCV_UNROLL
  for (int r = 0; r < kRows; ++r) {
    // GCC would make the load an operand of every fused multiply-add: kKeys loads instead of one.
    const Vec x = InRegister(LoadN(q + r * d + i + step, count));
    MCV_UNROLL
    for (int j = 0; j < kKeys; ++j) dot[r * kKeys + j] = Fma(x, k[j], dot[r * kKeys + j]);
  }
}

// The lanes of dot summed into scores[r][s + j], as far as there are keys.
template <int kRows, int kKeys>
MCV_INLINE void KeepScores(const Vec (&dot)[kRows * kKeys], int64_t s, int64_t count,
                           float (&scores)[kRows][kBlockKeys]) {
  float sums[kRows * kKeys];
  MCV_UNROLL
  for (int j = 0; j < kRows * kKeys; j += 4) {
    SumLanes4({dot[j], dot[j + 1], dot[j + 2], dot[j + 3]}, sums + j);
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kKeys && s + j < count; ++j) scores[r][s + j] = sums[r * kKeys + j];
  }
}

// scores[r][s] = q[r] . key s.
template <class Loader, int kRows>
void ScoreBlock(const float* q, int64_t d, const KeyBlock& block,
                float (&scores)[kRows][kBlockKeys]) {
  constexpr int kKeys = kKeysTogether<kRows>;
  constexpr int kSums = kRows * kKeys;
  const int64_t ahead = block.first ? kRowsAhead * block.key_bytes : 0;
  for (int64_t s = 0; s < block.count; s += kKeys) {
    const std::byte* rows[kKeys];
    for (int j = 0; j < kKeys; ++j) {  // past the last key: the last one again
      rows[j] = block.keys + (s + j < block.count ? s + j : block.count - 1) * block.key_bytes;
    }
    const std::byte* values = block.values + s * block.value_bytes;
    Vec dot[kSums];
    MCV_UNROLL
    for (int j = 0; j < kSums; ++j) dot[j] = Zero();
    int64_t i = 0;
    for (; i + kGroup <= d; i += kGroup) {
      const int64_t group = i / kGroup * Loader::kGroupBytes;
      MCV_UNROLL
      for (int j = 0; j < kKeys; ++j) {
        __builtin_prefetch(values + j * block.value_bytes + group);
        if (ahead != 0) __builtin_prefetch(rows[j] + ahead + group);
      }
      MCV_UNROLL
      for (int v = 0; v < kGroup; v += kLanes) {
        ScoreStep<Loader, kRows, kKeys>(q, d, rows, i, v, kLanes, dot);
      }
    }
    for (int64_t v = 0; i + v < d; v += kLanes) {
      ScoreStep<Loader, kRows, kKeys>(q, d, rows, i, v, Take(d - i - v), dot);
    }
    KeepScores<kRows, kKeys>(dot, s, block.count, scores);
  }
}

// out[r] = rescale[r] * out[r] + sum of p[r][s] * value s, kWide vectors of columns from i on; only
// the first `count` lanes of each.
template <class Loader, int kRows, int kWide>
MCV_INLINE void MixColumns(const float (&p)[kRows][kBlockKeys], const float (&rescale)[kRows],
                           const KeyBlock& block, int64_t d, int64_t i, int count, float* out) {
  Vec sums[kRows][kWide];
  MCV_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MCV_UNROLL
    for (int w = 0; w < kWide; ++w) {
      sums[r][w] =
          block.first ? Zero() : Mul(LoadN(out + r * d + i + w * kLanes, count), Set(rescale[r]));
    }
  }
  const int64_t group = i / kGroup * Loader::kGroupBytes;
  const int64_t inside = i % kGroup;
  const std::byte* value = block.values + group;
  const std::byte* next_key = block.keys + block.count * block.key_bytes + group;
  for (int64_t s = 0; s < block.count; ++s) {
    __builtin_prefetch(next_key);
    Vec v[kWide];
    MCV_UNROLL
    for (int w = 0; w < kWide; ++w) {
      v[w] = Loader::In(value + w * kLanes / kGroup * Loader::kGroupBytes,
                        inside + w * kLanes % kGroup, count);
    }
    MCV_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const Vec weight = Set(p[r][s]);
      MCV_UNROLL
      for (int w = 0; w < kWide; ++w) sums[r][w] = Fma(weight, v[w], sums[r][w]);
    }
    value += block.value_bytes;
    next_key += block.key_bytes;
  }
  MCV_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MCV_UNROLL
    for (int w = 0; w < kWide; ++w) StoreN(out + r * d + i + w * kLanes, sums[r][w], count);
  }
}

// kRows query heads against one block.
template <class Loader, int kRows>
void AttendBlock(const AttendArgs& args, int64_t first, const KeyBlock& block) {
  constexpr int kWide = kLanes == 16 ? 4 : 2;
  const int64_t d = args.head_dim;
  float* out = args.out + first * d;
  alignas(64) float p[kRows][kBlockKeys];
  float rescale[kRows];
  ScoreBlock<Loader, kRows>(args.q + first * d, d, block, p);
  for (int r = 0; r < kRows; ++r) {
    float* max = args.max + first + r;
    float* sum = args.sum + first + r;
    if (block.first) *max = -__builtin_inff(), *sum = 0;
    rescale[r] = SoftmaxStep(p[r], block.count, args.scale, max, sum);
  }
  int64_t i = 0;
  for (; i + kWide * kLanes <= d; i += kWide * kLanes) {
    MixColumns<Loader, kRows, kWide>(p, rescale, block, d, i, kLanes, out);
  }
  for (; i < d; i += kLanes) {
    MixColumns<Loader, kRows, 1>(p, rescale, block, d, i, Take(d - i), out);
  }
}

template <class Loader>
void AttendWith(const AttendArgs& args) {
  for (int64_t key = 0; key < args.num_keys; key += kBlockKeys) {
    const int64_t left = args.num_keys - key;
    const KeyBlock block = {.keys = args.keys.data + key * args.keys.row_bytes,
                            .values = args.values.data + key * args.values.row_bytes,
                            .key_bytes = args.keys.row_bytes,
                            .value_bytes = args.values.row_bytes,
                            .count = left < kBlockKeys ? left : kBlockKeys,
                            .first = key == 0};
    int64_t r = 0;
    for (; r + 4 <= args.rows; r += 4) AttendBlock<Loader, 4>(args, r, block);
    for (; r + 2 <= args.rows; r += 2) AttendBlock<Loader, 2>(args, r, block);
    for (; r < args.rows; ++r) AttendBlock<Loader, 1>(args, r, block);
  }
}

void Attend(const AttendArgs& args) {
  switch (args.keys.type) {
    case DType::kF32:
      return AttendWith<F32Loader>(args);
    case DType::kF16:
      return AttendWith<F16Loader>(args);
    case DType::kBF16:
      return AttendWith<Bf16Loader>(args);
    default:
      return AttendWith<Q8Loader>(args);
  }
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
