// A few tokens times quantised rows in plain C++, for processors that have no leaf of their own.
//
// Quants times their small integer scales are whole numbers of 16 bits, and so are the tokens: a
// block is one long dot product of those, in loops of fixed length that compilers turn into
// whatever the processor multiplies and adds pairs with (pmaddwd, smlal). The 32 bits that it is
// summed in hold 256 * 4096 * 127.
#include "kernels/portable/quant_dot.h"

#include <cmath>
#include <cstring>

#include "formats/quant/blocks.h"
#include "kernels/generic/region.h"

#define MCV_TARGET_NS portable

// clang-format off
#include "kernels/portable/vec.h"
#include "kernels/generic/int8_token-inl.h"
// clang-format on

namespace mcv::portable {
namespace {

constexpr int64_t kMostTokens = 32;

// The part of a token that one block of weights meets: x = scale * q, |q| <= 127.
template <int kElements>
struct WideBlock {
  alignas(16) int16_t q[kElements];
  int32_t sums[kElements / 32];  // of 32 q each
  float scale;
};

// w = d * scaled - dmin * minimum, one minimum for 32 elements.
template <int kElements>
struct Scaled {
  alignas(16) int16_t values[kElements];
  int32_t minima[kElements / 32];
  float d, dmin;
};

template <class Block>
constexpr bool kHasMinima = requires(const Block& block) {
  block.dmin;
};

// Two neighbouring sub-blocks of 32 share the bytes of their nibbles.
template <class Block>
void UnpackNibbles(const Block& block, Scaled<256>* out) {
  out->d = LoadHalf(block.d);
  out->dmin = LoadHalf(block.dmin);
  for (int pair = 0; pair < 4; ++pair) {
    const ScaleMin even = UnpackScaleMin(block.scales, 2 * pair);
    const ScaleMin odd = UnpackScaleMin(block.scales, 2 * pair + 1);
    out->minima[2 * pair] = even.min;
    out->minima[2 * pair + 1] = odd.min;
    const uint8_t* qs = block.qs + 32 * pair;
    int16_t* values = out->values + 64 * pair;
    const auto even_scale = static_cast<int16_t>(even.scale);
    const auto odd_scale = static_cast<int16_t>(odd.scale);
    for (int l = 0; l < 32; ++l) {
      int16_t low = qs[l] & 15;
      int16_t high = qs[l] >> 4;
      if constexpr (requires { block.qh; }) {
        low = static_cast<int16_t>(low | (block.qh[l] >> (2 * pair) & 1) << 4);
        high = static_cast<int16_t>(high | (block.qh[l] >> (2 * pair + 1) & 1) << 4);
      }
      values[l] = static_cast<int16_t>(low * even_scale);
      values[32 + l] = static_cast<int16_t>(high * odd_scale);
    }
  }
}

void Unpack(const BlockQ4_K& block, Scaled<256>* out) { UnpackNibbles(block, out); }
void Unpack(const BlockQ5_K& block, Scaled<256>* out) { UnpackNibbles(block, out); }

// Quarter p of a half (32 elements) has its low bits in nibble p / 2 of 32 bytes, its top two bits
// at 2 p of qh.
void Unpack(const BlockQ6_K& block, Scaled<256>* out) {
  out->d = LoadHalf(block.d);
  for (int sub = 0; sub < 16; ++sub) {
    const int half = sub / 8, quarter = sub / 2 % 4;
    const uint8_t* low = block.ql + 64 * half + 32 * (quarter % 2) + 16 * (sub % 2);
    const uint8_t* high = block.qh + 32 * half + 16 * (sub % 2);
    const auto scale = static_cast<int16_t>(block.scales[sub]);
    for (int l = 0; l < 16; ++l) {
      const int value = (low[l] >> (4 * (quarter / 2)) & 15) | (high[l] >> (2 * quarter) & 3) << 4;
      out->values[16 * sub + l] = static_cast<int16_t>((value - 32) * scale);
    }
  }
}

void Unpack(const BlockQ8_0& block, Scaled<32>* out) {
  out->d = LoadHalf(block.d);
  for (int l = 0; l < 32; ++l) out->values[l] = block.qs[l];
}

template <int kElements>
int32_t Dot(const int16_t* a, const int16_t* b) {
  int32_t sum = 0;
  for (int i = 0; i < kElements; ++i) sum += int32_t{a[i]} * int32_t{b[i]};
  return sum;
}

template <class Block>
int64_t WideBytes(int64_t k) {
  constexpr int kElements = static_cast<int>(Block::kElements);
  return k / kElements * static_cast<int64_t>(sizeof(WideBlock<kElements>));
}

template <class Block>
void PackToken(const float* x, int64_t k, std::byte* packed) {
  constexpr int kElements = static_cast<int>(Block::kElements);
  auto* block = reinterpret_cast<WideBlock<kElements>*>(packed);
  for (int64_t i = 0; i < k; i += kElements, ++block) {
    const float largest = LargestMagnitude(x + i, kElements);
    block->scale = largest / 127.0f;
    if (std::isnan(largest)) {  // no whole number stands for it
      std::memset(block->q, 0, sizeof block->q);
      std::memset(block->sums, 0, sizeof block->sums);
      continue;
    }
    const Vec inverse = Set(InverseScale(largest, 127.0f));
    for (int j = 0; j < kElements; j += kLanes) {
      const Vec q = Round(Mul(Load(x + i + j), inverse));
      for (int lane = 0; lane < kLanes; ++lane) block->q[j + lane] = static_cast<int16_t>(q[lane]);
    }
    for (int s = 0; s < kElements / 32; ++s) {
      block->sums[s] = 0;
      for (int j = 0; j < 32; ++j) block->sums[s] += block->q[32 * s + j];
    }
  }
}

// Of a block of weights and one of a token.
template <class Block, int kElements>
float Product(const Scaled<kElements>& w, const WideBlock<kElements>& token) {
  float sum = w.d * static_cast<float>(Dot<kElements>(w.values, token.q));
  if constexpr (kHasMinima<Block>) {
    int32_t taken = 0;
    for (int s = 0; s < kElements / 32; ++s) taken += w.minima[s] * token.sums[s];
    sum -= w.dmin * static_cast<float>(taken);
  }
  return token.scale * sum;
}

template <class Block>
void DotRows(const DotKernel::Args& args) {
  constexpr int kElements = static_cast<int>(Block::kElements);
  using Token = WideBlock<kElements>;
  const int64_t blocks = args.k / kElements;
  for (int64_t r = 0; r < args.rows; ++r) {
    const auto* row = reinterpret_cast<const Block*>(args.weights + r * args.row_bytes);
    for (int64_t first = 0; first < args.num_tokens; first += kMostTokens) {
      const int64_t tokens = std::min(kMostTokens, args.num_tokens - first);
      float sums[kMostTokens] = {};
      for (int64_t b = 0; b < blocks; ++b) {
        Scaled<kElements> w;
        Unpack(row[b], &w);
        for (int64_t t = 0; t < tokens; ++t) {
          const std::byte* packed = args.tokens + (first + t) * args.token_bytes;
          sums[t] += Product<Block>(w, reinterpret_cast<const Token*>(packed)[b]);
        }
      }
      for (int64_t t = 0; t < tokens; ++t) args.out[(first + t) * args.out_stride + r] = sums[t];
    }
  }
}

template <class Block>
constexpr DotKernel kKernel = {
    .max_tokens = kMostTokens,
    .packed_bytes = WideBytes<Block>,
    .pack_token = PackToken<Block>,
    .rows = DotRows<Block>,
};

}  // namespace

const DotKernel* QuantDot(DType type) {
  switch (type) {
    case DType::kQ4_K:
      return &kKernel<BlockQ4_K>;
    case DType::kQ5_K:
      return &kKernel<BlockQ5_K>;
    case DType::kQ6_K:
      return &kKernel<BlockQ6_K>;
    case DType::kQ8_0:
      return &kKernel<BlockQ8_0>;
    default:
      return nullptr;
  }
}

}  // namespace mcv::portable
