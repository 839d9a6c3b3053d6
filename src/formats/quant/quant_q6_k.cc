// Q6_K: sixteen sub-blocks of 16 values of six bits around zero, each with an 8-bit scale. In each
// half of 128 values, quarter p (32 values) has its low four bits in nibble p/2 of ql[32*(p%2) + l]
// and its top two bits at bit 2p of qh[l].
#include "formats/quant/block_codecs.h"
#include "formats/quant/fit.h"

namespace mcv {

void DequantizeBlocks(const BlockQ6_K* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    const BlockQ6_K& block = blocks[i];
    const float d = LoadHalf(block.d);
    for (int j = 0; j < kSuperBlock; ++j) {
      const int half = j / 128, quarter = j / 32 % 4, l = j % 32, sub = j / 16;
      const int low = block.ql[64 * half + 32 * (quarter % 2) + l] >> (4 * (quarter / 2)) & 15;
      const int high = block.qh[32 * half + l] >> (2 * quarter) & 3;
      const float scale = d * static_cast<float>(block.scales[sub]);
      *out++ = scale * static_cast<float>((low | high << 4) - 32);
    }
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ6_K* blocks) {
  SymmetricBlock fit;
  for (size_t i = 0; i < count; ++i, in += kSuperBlock) {
    FitSymmetricBlock(in, {.low = -32, .high = 31, .scale_low = -128, .scale_high = 127}, &fit);
    BlockQ6_K& block = blocks[i];
    block = {};
    StoreHalf(fit.d, block.d);
    for (int sub = 0; sub < 16; ++sub) block.scales[sub] = fit.scales[sub];
    for (int j = 0; j < kSuperBlock; ++j) {
      const int half = j / 128, quarter = j / 32 % 4, l = j % 32;
      const int value = fit.q[j] + 32;
      block.ql[64 * half + 32 * (quarter % 2) + l] |=
          static_cast<uint8_t>((value & 15) << (4 * (quarter / 2)));
      block.qh[32 * half + l] |= static_cast<uint8_t>(value >> 4 << (2 * quarter));
    }
  }
}

}  // namespace mcv
