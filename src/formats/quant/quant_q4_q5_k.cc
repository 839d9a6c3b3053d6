// Q4_K and Q5_K: eight sub-blocks of 32 values, each with a 6-bit scale and a 6-bit minimum. Two
// neighbouring sub-blocks share 32 bytes: the even one takes the low nibbles, the odd one the high.
// Q5_K adds a fifth bit: bit `sub` of qh[l].
#include "formats/quant/block_codecs.h"
#include "formats/quant/fit.h"

namespace mcv {
namespace {

constexpr int kWidth = 32;

struct SubBlock {
  float scale;
  float min;
};

// Both products are rounded to fp32 before the values are multiplied, as in the reference.
template <typename Block>
SubBlock LoadSubBlock(const Block& block, int sub) {
  const ScaleMin pair = UnpackScaleMin(block.scales, sub);
  return {LoadHalf(block.d) * static_cast<float>(pair.scale),
          LoadHalf(block.dmin) * static_cast<float>(pair.min)};
}

void PackScaleMins(const AffineBlock& fit, uint8_t (&packed)[12]) {
  for (int j = 0; j < 4; ++j) {
    packed[j] = static_cast<uint8_t>(fit.scales[j] | fit.scales[j + 4] >> 4 << 6);
    packed[j + 4] = static_cast<uint8_t>(fit.mins[j] | fit.mins[j + 4] >> 4 << 6);
    packed[j + 8] = static_cast<uint8_t>((fit.scales[j + 4] & 15) | (fit.mins[j + 4] & 15) << 4);
  }
}

// Everything but the fifth bits.
template <typename Block>
void PackBlock(const AffineBlock& fit, Block* block) {
  *block = {};
  StoreHalf(fit.d, block->d);
  StoreHalf(fit.dmin, block->dmin);
  PackScaleMins(fit, block->scales);
  for (int sub = 0; sub < 8; ++sub) {
    uint8_t* qs = block->qs + kWidth * (sub / 2);
    for (int l = 0; l < kWidth; ++l) {
      qs[l] |= static_cast<uint8_t>((fit.q[kWidth * sub + l] & 15) << (4 * (sub % 2)));
    }
  }
}

}  // namespace

void DequantizeBlocks(const BlockQ4_K* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    for (int sub = 0; sub < 8; ++sub) {
      const SubBlock pair = LoadSubBlock(blocks[i], sub);
      const uint8_t* qs = blocks[i].qs + kWidth * (sub / 2);
      const int shift = 4 * (sub % 2);
      for (int l = 0; l < kWidth; ++l) {
        *out++ = pair.scale * static_cast<float>(qs[l] >> shift & 15) - pair.min;
      }
    }
  }
}

void DequantizeBlocks(const BlockQ5_K* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    for (int sub = 0; sub < 8; ++sub) {
      const SubBlock pair = LoadSubBlock(blocks[i], sub);
      const uint8_t* qs = blocks[i].qs + kWidth * (sub / 2);
      const int shift = 4 * (sub % 2);
      for (int l = 0; l < kWidth; ++l) {
        const int value = (qs[l] >> shift & 15) | (blocks[i].qh[l] >> sub & 1) << 4;
        *out++ = pair.scale * static_cast<float>(value) - pair.min;
      }
    }
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ4_K* blocks) {
  AffineBlock fit;
  for (size_t i = 0; i < count; ++i, in += kSuperBlock) {
    FitAffineBlock(in, {.width = kWidth, .high = 15, .scale_high = 63}, &fit);
    PackBlock(fit, &blocks[i]);
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ5_K* blocks) {
  AffineBlock fit;
  for (size_t i = 0; i < count; ++i, in += kSuperBlock) {
    FitAffineBlock(in, {.width = kWidth, .high = 31, .scale_high = 63}, &fit);
    PackBlock(fit, &blocks[i]);
    for (int j = 0; j < kSuperBlock; ++j) {
      blocks[i].qh[j % kWidth] |= static_cast<uint8_t>(fit.q[j] >> 4 << (j / kWidth));
    }
  }
}

}  // namespace mcv
