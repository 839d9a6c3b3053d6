// Many tokens times rows of the K types, exactly as k_dot.cc multiplies them, from panels.
//
// The quants stay what the file has: small unsigned numbers. vpmaddubsw multiplies four of them per
// row with four int8 of a token and adds pairs to 16 bits, where several such results fit before
// vpmaddwd has to take them on to 32 bits; its other operand is the block's integer scale, so that
// widening and scaling are one instruction. That is twice the rate of 16-bit products (and four
// times that of fp32) for Q4_K, less for types with more bits per quant.
//
// Panel, per 256: [64 groups of 4 k][16 rows] words of four quants, [16 blocks][16 rows] scales
// twice in a word, [8][16 rows] pairs of what goes with the token's sums, and two fp32 factors per
// row. Strip, per 256: [64][6 tokens] words, [8][6] pairs of sums, one fp32 scale per token.
#include <immintrin.h>

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
#include "kernels/x86_avx2/k_unpack-inl.h"
// clang-format on

namespace mcv::x86_avx2 {
namespace {

constexpr int64_t kWords = kSuperBlock / 4;
constexpr int64_t kBlocks = 16;  // of 16 elements, the smallest run that shares a scale
constexpr int64_t kSumPairs = 8;

struct PanelBlock {
  uint32_t words[kWords][kPanelRows];
  uint32_t scales[kBlocks][kPanelRows];
  uint32_t sum_scales[kSumPairs][kPanelRows];
  float d[kPanelRows];      // of the products
  float sum_d[kPanelRows];  // of what the sums take away
};
struct StripBlock {
  uint32_t words[kWords][kStrip];
  uint32_t sums16[kSumPairs][kStrip];      // pairs of sums of 16 quants
  uint32_t sums32[kSumPairs / 2][kStrip];  // pairs of sums of 32
  float scales[16];                        // kStrip, and room for what a transposed column spills
};
static_assert(sizeof(PanelBlock) % 64 == 0);

int64_t PanelBytes(int64_t k) { return k / kSuperBlock * static_cast<int64_t>(sizeof(PanelBlock)); }
int64_t StripBytes(int64_t k) { return k / kSuperBlock * static_cast<int64_t>(sizeof(StripBlock)); }

// How a type is multiplied.
struct Plan {
  int steps;      // groups of 4 k whose products fit 16 bits together
  int sum_pairs;  // 8: sums of 16, 4: sums of 32
  bool minima;    // the sums have a factor of their own (dmin), not a multiple of d
  float offset;   // else this multiple
};
template <DType kType>
constexpr Plan PlanOf() {
  if constexpr (kType == DType::kQ2_K) return {4, 8, true, 0};
  if constexpr (kType == DType::kQ3_K) return {4, 8, false, 4};
  if constexpr (kType == DType::kQ4_K) return {8, 4, true, 0};    // 15 * 127 * 2 * 8 = 30,480
  if constexpr (kType == DType::kQ5_K) return {4, 4, true, 0};    // 31 * 127 * 2 * 4 = 31,496
  if constexpr (kType == DType::kQ6_K) return {2, 8, false, 32};  // 63 * 127 * 2 * 2 = 32,004
}

// One block of every row, taken apart, before it is turned.
struct RowBuffer {
  alignas(32) uint32_t words[kPanelRows][kWords];
  alignas(32) uint32_t scales[kPanelRows][kBlocks];
  alignas(32) uint32_t sum_scales[kPanelRows][kSumPairs];
};

template <DType kType>
MCV_INLINE void TakeApart(const std::byte* block, int64_t r, RowBuffer* rows, PanelBlock* out) {
  Unpacked u;
  UnpackBlock<kType>(block, &u);
  auto* words = reinterpret_cast<__m256i*>(rows->words[r]);
  MCV_UNROLL
  for (int b = 0; b < 8; ++b) {
    _mm256_store_si256(words + b, u.quants[b]);
    // A vector of scales holds one block's eight times a half, as words of two.
    rows->scales[r][2 * b] = static_cast<uint32_t>(_mm256_extract_epi32(u.scales[b], 0));
    rows->scales[r][2 * b + 1] = static_cast<uint32_t>(_mm256_extract_epi32(u.scales[b], 4));
  }
  _mm256_store_si256(reinterpret_cast<__m256i*>(rows->sum_scales[r]), u.sum_scales);
  constexpr Plan plan = PlanOf<kType>();
  out->d[r] = u.d;
  out->sum_d[r] = plan.minima ? u.dmin : u.d * plan.offset;
}

template <DType kType>
void PackRows(DType, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
              std::byte* panel) {
  auto* out = reinterpret_cast<PanelBlock*>(panel);
  RowBuffer buffer;
  if (count < kPanelRows) std::memset(&buffer, 0, sizeof buffer);
  for (int64_t i = 0; i < k; i += kSuperBlock, ++out, rows += KBlockBytes(kType)) {
    for (int64_t r = 0; r < kPanelRows; ++r) {
      if (r < count) {
        TakeApart<kType>(rows + r * row_bytes, r, &buffer, out);
      } else {
        out->d[r] = out->sum_d[r] = 0.0f;
      }
    }
    Turn(buffer.words, out->words);
    Turn(buffer.scales, out->scales);
    Turn(buffer.sum_scales, out->sum_scales);
  }
}

void PackTokens(const float* x, int64_t stride, int64_t tokens, int64_t k, std::byte* strip) {
  TokenBlock blocks[kLanes];
  std::memset(blocks, 0, sizeof blocks);
  auto* out = reinterpret_cast<StripBlock*>(strip);
  constexpr auto kBlockWords = static_cast<int64_t>(sizeof(TokenBlock) / 4);
  const auto* q = reinterpret_cast<const uint32_t*>(blocks[0].q);
  const auto* sums16 = reinterpret_cast<const uint32_t*>(blocks[0].sums16);
  for (int64_t i = 0; i < k; i += kSuperBlock, ++out) {
    for (int64_t t = 0; t < tokens; ++t) {
      QuantizeToken<BlockOrder::kNatural>(x + t * stride + i, kSuperBlock,
                                          reinterpret_cast<std::byte*>(blocks + t));
    }
    // Each transposed column spills into what is written next.
    for (int64_t w = 0; w < kWords; w += kLanes) {
      TransposeTile(q + w, kBlockWords, out->words[w], kStrip);
    }
    TransposeTile(sums16, kBlockWords, out->sums16[0], kStrip);
    for (int64_t t = 0; t < kStrip; ++t) {
      uint32_t pairs[kSumPairs / 2];
      std::memcpy(pairs, blocks[t].sums32, sizeof pairs);
      for (int64_t i2 = 0; i2 < kSumPairs / 2; ++i2) out->sums32[i2][t] = pairs[i2];
      out->scales[t] = blocks[t].scale;
    }
  }
}

MCV_INLINE __m256i LoadWords(const uint32_t* p) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}

// total[t][v] = sum over the super-block of scale * (quants dot token), exact.
template <int kSteps>
MCV_INLINE void ScaledProducts(const PanelBlock& panel, const StripBlock& strip,
                               __m256i (&total)[kStrip][2]) {
  MCV_UNROLL
  for (auto& pair : total) pair[0] = pair[1] = _mm256_setzero_si256();
  for (int64_t w = 0; w < kWords; w += kSteps) {
    __m256i sums[kStrip][2];
    Products<kSteps>(panel.words[w], strip.words[w], sums);
    const __m256i scales[2] = {LoadWords(panel.scales[w / 4]),
                               LoadWords(panel.scales[w / 4] + kLanes)};
    MCV_UNROLL
    for (int t = 0; t < kStrip; ++t) {
      MCV_UNROLL
      for (int v = 0; v < 2; ++v) {
        total[t][v] = _mm256_add_epi32(total[t][v], _mm256_madd_epi16(sums[t][v], scales[v]));
      }
    }
  }
}

// What the offsets of the quants add up to, by the sums of the token's quants.
template <int kSumPairsUsed>
MCV_INLINE __m256i ScaledSums(const PanelBlock& panel, const StripBlock& strip, int t, int v) {
  __m256i taken = _mm256_setzero_si256();
  MCV_UNROLL
  for (int i = 0; i < kSumPairsUsed; ++i) {
    const uint32_t sums = kSumPairsUsed == kSumPairs ? strip.sums16[i][t] : strip.sums32[i][t];
    taken = _mm256_add_epi32(taken, _mm256_madd_epi16(LoadWords(panel.sum_scales[i] + v * kLanes),
                                                      _mm256_set1_epi32(static_cast<int>(sums))));
  }
  return taken;
}

template <DType kType>
void RunTile(const PanelKernel::TileArgs& args) {
  constexpr Plan plan = PlanOf<kType>();
  const auto* panel = reinterpret_cast<const PanelBlock*>(args.panel);
  const auto* strip = reinterpret_cast<const StripBlock*>(args.strip);
  for (int64_t k = 0; k < args.k; k += kSuperBlock, ++panel, ++strip) {
    __m256i total[kStrip][2];
    ScaledProducts<plan.steps>(*panel, *strip, total);
    const bool add = args.accumulate || k > 0;
    for (int t = 0; t < args.tokens; ++t) {
      MCV_UNROLL
      for (int v = 0; v < 2; ++v) {
        float* c = args.c + t * args.ldc + v * kLanes;
        const Vec products =
            Mul(_mm256_cvtepi32_ps(total[t][v]), _mm256_load_ps(panel->d + v * kLanes));
        const Vec taken = _mm256_cvtepi32_ps(ScaledSums<plan.sum_pairs>(*panel, *strip, t, v));
        const Vec value =
            _mm256_fnmadd_ps(taken, _mm256_load_ps(panel->sum_d + v * kLanes), products);
        Store(c, Fma(value, Set(strip->scales[t]), add ? Load(c) : Zero()));
      }
    }
  }
}

template <DType kType>
constexpr PanelKernel kKernel = {
    .panel_rows = kPanelRows,
    .strip_tokens = kStrip,
    .k_block = 2 * kSuperBlock,  // two panels of 11 KB and a strip stay in the first-level cache
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

const PanelKernel* KPanel(DType type) {
  switch (type) {
    case DType::kQ2_K:
      return &kKernel<DType::kQ2_K>;
    case DType::kQ3_K:
      return &kKernel<DType::kQ3_K>;
    case DType::kQ4_K:
      return &kKernel<DType::kQ4_K>;
    case DType::kQ5_K:
      return &kKernel<DType::kQ5_K>;
    case DType::kQ6_K:
      return &kKernel<DType::kQ6_K>;
    default:
      return nullptr;
  }
}

}  // namespace mcv::x86_avx2
