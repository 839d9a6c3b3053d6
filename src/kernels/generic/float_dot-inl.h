// Few tokens by fp32 products: rows of float types are widened as they are read; quantised rows are
// dequantised 256 elements at a time. Include inside a region, after rows-inl.h.
#pragma once

#include "kernels/generic/rows_apart-inl.h"

namespace mcv::MCV_TARGET_NS {
namespace {

int64_t FloatTokenBytes(int64_t k) { return k * static_cast<int64_t>(sizeof(float)); }

void CopyToken(const float* x, int64_t k, std::byte* packed) {
  __builtin_memcpy(packed, x, static_cast<size_t>(FloatTokenBytes(k)));
}

// sums[r][t] += products of a vector of `count` elements of kRows rows and kTokens tokens.
template <class Loader, int kRows, int kTokens>
MCV_INLINE void DotVector(const std::byte* rows, int64_t row_bytes, const float* const* tokens,
                          int64_t i, int count, Vec (&sums)[kRows][kTokens]) {
  Vec x[kTokens];
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) x[t] = LoadN(tokens[t] + i, count);
  MCV_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const Vec w = Loader::At(rows + r * row_bytes + i * Loader::kBytes, count);
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[r][t] = Fma(w, x[t], sums[r][t]);
  }
}

// The same over `k` elements.
template <class Loader, int kRows, int kTokens>
MCV_INLINE void DotBlock(const std::byte* rows, int64_t row_bytes, const float* const* tokens,
                         int64_t k, Vec (&sums)[kRows][kTokens]) {
  const int64_t whole = k / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    DotVector<Loader>(rows, row_bytes, tokens, i, kLanes, sums);
  }
  if (whole < k) DotVector<Loader>(rows, row_bytes, tokens, whole, Take(k - whole), sums);
}

// Rows `apart` rows from each other: as many streams, which the processor follows by itself if they
// are in different pages. Loader void: a quantised type, by way of a buffer.
template <class Loader, int kRows, int kTokens>
void DotRowsBlock(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t token) {
  const int64_t row_bytes = apart * args.row_bytes;
  const float* tokens[kTokens];
  Vec sums[kRows][kTokens];
  for (int t = 0; t < kTokens; ++t) {
    tokens[t] = reinterpret_cast<const float*>(args.tokens + (token + t) * args.token_bytes);
    for (int r = 0; r < kRows; ++r) sums[r][t] = Zero();
  }
  const std::byte* rows = args.weights + row * args.row_bytes;
  if constexpr (std::is_void_v<Loader>) {
    constexpr int64_t kChunk = 256;
    const DTypeTraits& traits = Traits(args.type);
    alignas(64) float buffer[kRows][kChunk];
    for (int64_t k = 0; k < args.k; k += kChunk) {
      const int64_t count = args.k - k < kChunk ? args.k - k : kChunk;
      const int64_t offset = k / traits.block_elements * traits.block_bytes;
      for (int r = 0; r < kRows; ++r) {
        LoadRow(args.type, rows + r * row_bytes + offset, count, buffer[r]);
      }
      DotBlock<F32Loader, kRows, kTokens>(reinterpret_cast<const std::byte*>(buffer),
                                          sizeof buffer[0], tokens, count, sums);
      for (int t = 0; t < kTokens; ++t) tokens[t] += count;
    }
  } else {
    DotBlock<Loader, kRows, kTokens>(rows, row_bytes, tokens, args.k, sums);
  }
  for (int t = 0; t < kTokens; ++t) {
    for (int r = 0; r < kRows; ++r) {
      args.out[(token + t) * args.out_stride + row + r * apart] = SumLanes(sums[r][t]);
    }
  }
}

template <class Loader>
struct FloatProduct {
  template <int kRows, int kTokens>
  static void Run(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t token) {
    DotRowsBlock<Loader, kRows, kTokens>(args, row, apart, token);
  }
};

void FloatDotRows(const DotKernel::Args& args) {
  switch (args.type) {
    case DType::kF32:
      return RunTokenFours<FloatProduct<F32Loader>>(args);
    case DType::kF16:
      return RunTokenFours<FloatProduct<F16Loader>>(args);
    case DType::kBF16:
      return RunTokenFours<FloatProduct<Bf16Loader>>(args);
    default:
      return RunTokenFours<FloatProduct<void>>(args);
  }
}

constexpr DotKernel kFloatDot = {
    .max_tokens = 3,
    .packed_bytes = FloatTokenBytes,
    .pack_token = CopyToken,
    .rows = FloatDotRows,
};

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
