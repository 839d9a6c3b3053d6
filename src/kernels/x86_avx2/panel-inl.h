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

// One step of the inner loop: two vectors of rows at `row_offset` times the words of six tokens at
// `token_offset`, added to the twelve sums. As text, the loops around it too: in intrinsics GCC 12
// reorders until the twelve sums no longer fit the registers, and spills most of them. Both
// products of a token come before both additions, because Zen 3 shares out its pipes by that order:
// 5.0 G products/s where the other order gives 4.75.
// clang-format off
#define MCV_STEP(multiply, add, row_offset, token_offset) \
  MCV_ROWS(row_offset)                                    \
  MCV_TOKEN(multiply, add, token_offset, s00, s01)        \
  MCV_TOKEN(multiply, add, token_offset "+4", s10, s11)   \
  MCV_TOKEN(multiply, add, token_offset "+8", s20, s21)   \
  MCV_TOKEN(multiply, add, token_offset "+12", s30, s31)  \
  MCV_TOKEN(multiply, add, token_offset "+16", s40, s41)  \
  MCV_TOKEN(multiply, add, token_offset "+20", s50, s51)
#define MCV_ROWS(offset)                        \
  "vmovdqa " offset "(%[weights]), %%ymm12\n\t" \
  "vmovdqa " offset "+32(%[weights]), %%ymm13\n\t"
#define MCV_TOKEN(multiply, add, offset, sum0, sum1) \
  "vpbroadcastd " offset "(%[tokens]), %%ymm14\n\t"  \
  multiply " %%ymm14, %%ymm12, %%ymm15\n\t"          \
  multiply " %%ymm14, %%ymm13, %%ymm14\n\t"          \
  add " %%ymm15, %[" #sum0 "], %[" #sum0 "]\n\t"     \
  add " %%ymm14, %[" #sum1 "], %[" #sum1 "]\n\t"
#define MCV_STEP_REGISTERS "xmm12", "xmm13", "xmm14", "xmm15"
// clang-format on

// The twelve sums as operands of such an asm, "+x" or "=&x".
#define MCV_SUMS(constraint, s)                                                        \
  [s00] constraint(s[0][0]), [s01] constraint(s[0][1]), [s10] constraint(s[1][0]),     \
      [s11] constraint(s[1][1]), [s20] constraint(s[2][0]), [s21] constraint(s[2][1]), \
      [s30] constraint(s[3][0]), [s31] constraint(s[3][1]), [s40] constraint(s[4][0]), \
      [s41] constraint(s[4][1]), [s50] constraint(s[5][0]), [s51] constraint(s[5][1])

// s = the products of kSteps groups of 4 k, added up in 16 bits. The first group needs no addition.
template <int kSteps>
MCV_INLINE void Products(const uint32_t* weights, const uint32_t* tokens, __m256i (&s)[kStrip][2]) {
  // clang-format off
#define MCV_FIRST(offset, sum0, sum1)                  \
  "vpbroadcastd " #offset "(%[tokens]), %%ymm14\n\t"   \
  "vpmaddubsw %%ymm14, %%ymm12, %[" #sum0 "]\n\t"      \
  "vpmaddubsw %%ymm14, %%ymm13, %[" #sum1 "]\n\t"
  asm(MCV_ROWS("0")
      MCV_FIRST(0, s00, s01) MCV_FIRST(4, s10, s11) MCV_FIRST(8, s20, s21)
      MCV_FIRST(12, s30, s31) MCV_FIRST(16, s40, s41) MCV_FIRST(20, s50, s51)
      ".set mcv_step, 1\n\t"
      ".rept %c[steps] - 1\n\t"
      MCV_STEP("vpmaddubsw", "vpaddw", "64*mcv_step", "24*mcv_step")
      ".set mcv_step, mcv_step + 1\n\t"
      ".endr"
      : MCV_SUMS("=&x", s)
      : [weights] "r"(weights), [tokens] "r"(tokens), [steps] "i"(kSteps)
      : "memory", MCV_STEP_REGISTERS);
#undef MCV_FIRST
  // clang-format on
}

}  // namespace
}  // namespace mcv::x86_avx2
