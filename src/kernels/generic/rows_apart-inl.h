// How kernels for few tokens walk a piece of weight rows: four rows at a time, a quarter of the
// piece from each other, so that the processor follows four streams
// (docs/decisions/2026-11-26-decode-from-memory.md). Include inside a region.
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

// The hardware's own streams stop at every page. Rows lie behind each other, so what is fetched
// past the end of a row is soon needed; past the last row this touches nothing: a prefetch cannot
// fault. Into the second-level cache: lines that are asked for into the first take the few places
// where that one waits for memory (Zen 4, memory at 50 GB/s: 0.55 of a read's rate that way, 0.73
// this).
MCV_INLINE void PrefetchAhead(const std::byte* block, int64_t bytes) {
  constexpr int64_t kAhead = 4096;
  constexpr int kSecondLevel = 2;
  for (int64_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(block + kAhead + i, /*rw=*/0, kSecondLevel);
  }
}

// Product::Run<kRows, kTokens>(args, row, apart, token): kRows rows from `row` on, `apart` from
// each other, times kTokens tokens from `token` on.
template <class Product, int kTokens>
void RunRowsApart(const DotKernel::Args& args, int64_t token) {
  constexpr int kRows = 4;
  const int64_t apart = args.rows / kRows;
  for (int64_t r = 0; r < apart; ++r) {
    Product::template Run<kRows, kTokens>(args, r, apart, token);
  }
  for (int64_t r = kRows * apart; r < args.rows; ++r) {
    Product::template Run<1, kTokens>(args, r, 0, token);
  }
}

// Two tokens at a time.
template <class Product>
void RunTokenPairs(const DotKernel::Args& args) {
  int64_t t = 0;
  for (; t + 2 <= args.num_tokens; t += 2) RunRowsApart<Product, 2>(args, t);
  if (t < args.num_tokens) RunRowsApart<Product, 1>(args, t);
}

// Four tokens at a time.
template <class Product>
void RunTokenFours(const DotKernel::Args& args) {
  for (int64_t t = 0; t < args.num_tokens; t += 4) {
    switch (args.num_tokens - t) {
      case 1:
        RunRowsApart<Product, 1>(args, t);
        break;
      case 2:
        RunRowsApart<Product, 2>(args, t);
        break;
      case 3:
        RunRowsApart<Product, 3>(args, t);
        break;
      default:
        RunRowsApart<Product, 4>(args, t);
    }
  }
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
