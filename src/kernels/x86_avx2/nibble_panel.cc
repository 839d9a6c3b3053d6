// Many tokens times rows of Q4_0, Q4_1, Q5_0 or Q5_1, rounded exactly as nibble_dot.cc rounds them,
// from panels.
//
// As in k_panel.cc, vpmaddubsw multiplies the file's unsigned numbers with int8 tokens, and several
// results are added in 16 bits. These types have an fp32 scale for every 32 elements on both sides,
// so a block ends in fp32: that is a tenth more instructions than the K types, and half as many as
// 16-bit products.
//
// Panel, per 256: [64 groups of 4 k][16 rows] words of four quants, [8 blocks][16 rows] fp32 scales
// d and as many m. Strip, per 256: [64][6 tokens] words, [8][6] fp32 scales and as many sums.
#include <immintrin.h>

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/generic/region.h"
#include "kernels/x86_avx2/leaf.h"

#define MCV_TARGET_NS x86_avx2

MCV_REGION_BEGIN("avx2,fma,f16c,bmi,bmi2")

// clang-format off
#include "kernels/x86_avx2/vec.h"
#include "kernels/x86_avx2/panel-inl.h"
#include "kernels/generic/int8_token-inl.h"
#include "kernels/x86_avx2/nibbles-inl.h"
// clang-format on

namespace mcv::x86_avx2 {
namespace {

constexpr int64_t kBlocks = kGroup / kElements;
constexpr int64_t kWords = kGroup / 4;
constexpr int64_t kBlockWords = kElements / 4;

struct PanelGroup {
  uint32_t words[kWords][kPanelRows];
  uint32_t d[kBlocks][kPanelRows];  // bits of fp32
  uint32_t m[kBlocks][kPanelRows];
};
struct StripGroup {
  uint32_t words[kWords][kStrip];
  float scales[kBlocks][kStrip];
  float sums[kBlocks][kStrip];
  float room[32];  // for what a transposed column spills; a multiple of 64 bytes in all
};
static_assert(sizeof(PanelGroup) % 64 == 0 && sizeof(StripGroup) % 64 == 0);

int64_t Groups(int64_t k) { return (k + kGroup - 1) / kGroup; }
int64_t PanelBytes(int64_t k) { return Groups(k) * static_cast<int64_t>(sizeof(PanelGroup)); }
int64_t StripBytes(int64_t k) { return Groups(k) * static_cast<int64_t>(sizeof(StripGroup)); }

MCV_INLINE int64_t BlocksAt(int64_t i, int64_t k) {
  return (k - i < kGroup ? k - i : kGroup) / kElements;
}

MCV_INLINE uint32_t BitsOf(float x) { return std::bit_cast<uint32_t>(x); }

template <DType kType>
void PackRows(DType, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
              std::byte* panel) {
  constexpr NibbleLayout layout = LayoutOf<kType>();
  alignas(32) uint32_t words[kPanelRows][kWords];
  alignas(32) uint32_t scales[2][kPanelRows][kBlocks];  // bits of d and m
  std::memset(words, 0, sizeof words);
  std::memset(scales, 0, sizeof scales);
  auto* out = reinterpret_cast<PanelGroup*>(panel);
  for (int64_t i = 0; i < k; i += kGroup, ++out, rows += kBlocks * layout.bytes) {
    const int64_t blocks = BlocksAt(i, k);
    for (int64_t r = 0; r < count; ++r) {
      const std::byte* row = rows + r * row_bytes;
      for (int64_t b = 0; b < blocks; ++b) {
        const std::byte* block = row + b * layout.bytes;
        _mm256_store_si256(reinterpret_cast<__m256i*>(words[r] + b * kBlockWords),
                           UnpackUnsigned<kType>(block));
        const float d = HalfAt(block);
        scales[0][r][b] = BitsOf(d);
        scales[1][r][b] = BitsOf(OffsetAt<kType>(block, d));
      }
    }
    Turn(words, out->words);
    Turn(scales[0], out->d);
    Turn(scales[1], out->m);
  }
}

// A token's part of a group before it is turned.
struct TokenRow {
  alignas(32) int8_t quants[kGroup];
  float scales[kBlocks];
  float sums[kBlocks];
};

void PackTokens(const float* x, int64_t stride, int64_t tokens, int64_t k, std::byte* strip) {
  TokenRow rows[kLanes];
  std::memset(rows, 0, sizeof rows);
  constexpr auto kRowWords = static_cast<int64_t>(sizeof(TokenRow) / 4);
  const auto* first = reinterpret_cast<const uint32_t*>(rows);
  auto* out = reinterpret_cast<StripGroup*>(strip);
  for (int64_t i = 0; i < k; i += kGroup, ++out) {
    const int64_t blocks = BlocksAt(i, k);
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t b = 0; b < blocks; ++b) {
        QuantizeBlock32(x + t * stride + i + b * kElements, rows[t].quants + b * kElements,
                        rows[t].scales + b, rows[t].sums + b);
      }
    }
    // Each transposed column spills into what is written next.
    for (int64_t w = 0; w < kWords; w += kLanes) {
      TransposeTile(first + w, kRowWords, out->words[w], kStrip);
    }
    TransposeTile(first + kWords, kRowWords, reinterpret_cast<uint32_t*>(out->scales[0]), kStrip);
    TransposeTile(first + kWords + kBlocks, kRowWords, reinterpret_cast<uint32_t*>(out->sums[0]),
                  kStrip);
  }
}

// Whole numbers below 16 leave room for a block's products in 16 bits, those below 32 for half.
template <DType kType>
constexpr int64_t kSteps = LayoutOf<kType>().fifth_bits == 0 ? 8 : 4;

// sums[t][v] = quants dot token over one block, as 32-bit whole numbers.
template <int64_t kStepsUsed>
MCV_INLINE void DotBlock(const uint32_t* weights, const uint32_t* tokens,
                         __m256i (&sums)[kStrip][2]) {
  const __m256i ones = _mm256_set1_epi16(1);
  Products<kStepsUsed>(weights, tokens, sums);
  MCV_UNROLL
  for (auto& pair : sums) {
    MCV_UNROLL
    for (auto& sum : pair) sum = _mm256_madd_epi16(sum, ones);
  }
  if constexpr (kStepsUsed < kBlockWords) {
    __m256i rest[kStrip][2];
    Products<kStepsUsed>(weights + kStepsUsed * kPanelRows, tokens + kStepsUsed * kStrip, rest);
    MCV_UNROLL
    for (int t = 0; t < kStrip; ++t) {
      MCV_UNROLL
      for (int v = 0; v < 2; ++v) {
        sums[t][v] = _mm256_add_epi32(sums[t][v], _mm256_madd_epi16(rest[t][v], ones));
      }
    }
  }
}

MCV_INLINE Vec LoadBits(const uint32_t* p) {
  return _mm256_castsi256_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}

template <DType kType>
void RunTile(const PanelKernel::TileArgs& args) {
  const auto* panel = reinterpret_cast<const PanelGroup*>(args.panel);
  const auto* strip = reinterpret_cast<const StripGroup*>(args.strip);
  Vec totals[kStrip][2];
  for (int t = 0; t < kStrip; ++t) {
    for (int v = 0; v < 2; ++v) {
      const bool add = args.accumulate && t < args.tokens;
      totals[t][v] = add ? Load(args.c + t * args.ldc + v * kLanes) : Zero();
    }
  }
  for (int64_t k = 0; k < args.k; k += kGroup, ++panel, ++strip) {
    const int64_t blocks = BlocksAt(k, args.k);
    for (int64_t b = 0; b < blocks; ++b) {
      __m256i sums[kStrip][2];
      DotBlock<kSteps<kType>>(panel->words[b * kBlockWords], strip->words[b * kBlockWords], sums);
      MCV_UNROLL
      for (int t = 0; t < kStrip; ++t) {
        const Vec scale = Set(strip->scales[b][t]), sum = Set(strip->sums[b][t]);
        MCV_UNROLL
        for (int v = 0; v < 2; ++v) {
          const Vec factor = Mul(LoadBits(panel->d[b] + v * kLanes), scale);
          const Vec offset = Fma(LoadBits(panel->m[b] + v * kLanes), sum, totals[t][v]);
          totals[t][v] = Fma(_mm256_cvtepi32_ps(sums[t][v]), factor, offset);
        }
      }
    }
  }
  for (int64_t t = 0; t < args.tokens; ++t) {
    for (int v = 0; v < 2; ++v) Store(args.c + t * args.ldc + v * kLanes, totals[t][v]);
  }
}

template <DType kType>
constexpr PanelKernel kKernel = {
    .panel_rows = kPanelRows,
    .strip_tokens = kStrip,
    .k_block = 2 * kGroup,  // two panels of 10 KB and a strip stay in the first-level cache
    .panel_bytes = PanelBytes,
    .strip_bytes = StripBytes,
    .pack_rows = PackRows<kType>,
    .pack_columns = nullptr,
    .pack_tokens = PackTokens,
    .tile = RunTile<kType>,
};

}  // namespace
}  // namespace mcv::x86_avx2

MCV_REGION_END

namespace mcv::x86_avx2 {

const PanelKernel* NibblePanel(DType type) {
  switch (type) {
    case DType::kQ4_0:
      return &kKernel<DType::kQ4_0>;
    case DType::kQ4_1:
      return &kKernel<DType::kQ4_1>;
    case DType::kQ5_0:
      return &kKernel<DType::kQ5_0>;
    case DType::kQ5_1:
      return &kKernel<DType::kQ5_1>;
    default:
      return nullptr;
  }
}

}  // namespace mcv::x86_avx2
