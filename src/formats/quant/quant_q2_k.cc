// Q2_K: sixteen sub-blocks of 16 values of two bits, each with a 4-bit scale and a 4-bit minimum.
#include "formats/quant/block_codecs.h"
#include "formats/quant/fit.h"

namespace mcv {

// Value l of quarter s in half n: bits 2s of byte 32n + l; it belongs to sub-block 8n + 2s + l/16.
void DequantizeBlocks(const BlockQ2_K* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    const float d = LoadHalf(blocks[i].d);
    const float dmin = LoadHalf(blocks[i].dmin);
    for (int sub = 0; sub < 16; ++sub) {
      const uint8_t packed = blocks[i].scales[sub];
      const float scale = d * static_cast<float>(packed & 15);
      const float min = dmin * static_cast<float>(packed >> 4);
      const uint8_t* qs = blocks[i].qs + 32 * (sub / 8) + 16 * (sub % 2);
      const int shift = 2 * (sub % 8 / 2);
      for (int l = 0; l < 16; ++l) {
        *out++ = scale * static_cast<float>(qs[l] >> shift & 3) - min;
      }
    }
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ2_K* blocks) {
  AffineBlock fit;
  for (size_t i = 0; i < count; ++i, in += kSuperBlock) {
    FitAffineBlock(in, {.width = 16, .high = 3, .scale_high = 15}, &fit);
    BlockQ2_K& block = blocks[i];
    block = {};
    StoreHalf(fit.d, block.d);
    StoreHalf(fit.dmin, block.dmin);
    for (int sub = 0; sub < 16; ++sub) {
      block.scales[sub] = static_cast<uint8_t>(fit.scales[sub] | fit.mins[sub] << 4);
      uint8_t* qs = block.qs + 32 * (sub / 8) + 16 * (sub % 2);
      const int shift = 2 * (sub % 8 / 2);
      for (int l = 0; l < 16; ++l) qs[l] |= static_cast<uint8_t>(fit.q[16 * sub + l] << shift);
    }
  }
}

}  // namespace mcv
