// What the panels of integers share: 16 rows, strips of 6 tokens, and the step of the inner loop as
// text. Include inside the AVX2 region, after vec.h.
#pragma once

namespace mcv::x86_avx2 {
namespace {

constexpr int64_t kPanelRows = 16;
constexpr int64_t kStrip = 6;

// 16 rows of kCount words to kCount columns of 16.
template <int64_t kCount>
MCV_INLINE void Turn(const uint32_t (&rows)[kPanelRows][kCount],
                     uint32_t (&out)[kCount][kPanelRows]) {
  for (int64_t w = 0; w < kCount; w += kLanes) {
    TransposeTile(&rows[0][w], kCount, &out[w][0], kPanelRows);
    TransposeTile(&rows[kLanes][w], kCount, &out[w][kLanes], kPanelRows);
  }
}

// One token's word at `offset` against the two vectors of rows in ymm12 and ymm13; ymm14 and ymm15
// are scratch. As text, the loops around it too: in intrinsics GCC 12 reorders until the twelve
// sums no longer fit the registers, and spills most of them.
#define MCV_TOKEN(multiply, add, offset, sum0, sum1)                                               \
  "vpbroadcastd " #offset "(%[tokens]), %%ymm14\n\t" multiply " %%ymm14, %%ymm12, %%ymm15\n\t" add \
  " %%ymm15, %[" #sum0 "], %[" #sum0 "]\n\t" multiply " %%ymm14, %%ymm13, %%ymm14\n\t" add         \
  " %%ymm14, %[" #sum1 "], %[" #sum1 "]\n\t"

// The twelve sums as operands of such an asm, "+x" or "=&x".
#define MCV_SUMS(constraint, s)                                                        \
  [s00] constraint(s[0][0]), [s01] constraint(s[0][1]), [s10] constraint(s[1][0]),     \
      [s11] constraint(s[1][1]), [s20] constraint(s[2][0]), [s21] constraint(s[2][1]), \
      [s30] constraint(s[3][0]), [s31] constraint(s[3][1]), [s40] constraint(s[4][0]), \
      [s41] constraint(s[4][1]), [s50] constraint(s[5][0]), [s51] constraint(s[5][1])

}  // namespace
}  // namespace mcv::x86_avx2
