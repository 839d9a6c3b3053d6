// Q3_K: sixteen sub-blocks of 16 values of three bits around zero, each with a signed 6-bit scale.
// The low two bits lie as in Q2_K; the third is bit 4n + s of hmask, and stands for +4.
#include "formats/quant/block_codecs.h"
#include "formats/quant/fit.h"

namespace mcv {
namespace {

// Where sub-block `sub` keeps its bits: half n = sub/8, quarter s = sub%8/2, bytes from 16*(sub%2).
struct Place {
  explicit Place(int sub)
      : qs(32 * (sub / 8) + 16 * (sub % 2)),
        shift(2 * (sub % 8 / 2)),
        mask(16 * (sub % 2)),
        mask_bit(4 * (sub / 8) + sub % 8 / 2) {}
  int qs;
  int shift;
  int mask;
  int mask_bit;
};

void PackScale(int b, int scale, uint8_t (&packed)[12]) {
  const int bits = scale + 32;
  packed[b % 8] |= static_cast<uint8_t>((bits & 15) << (b < 8 ? 0 : 4));
  packed[8 + b % 4] |= static_cast<uint8_t>(bits >> 4 << (2 * (b / 4)));
}

}  // namespace

void DequantizeBlocks(const BlockQ3_K* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    const BlockQ3_K& block = blocks[i];
    const float d = LoadHalf(block.d);
    for (int sub = 0; sub < 16; ++sub) {
      const Place place(sub);
      const float scale = d * static_cast<float>(UnpackQ3Scale(block.scales, sub));
      for (int l = 0; l < 16; ++l) {
        const int low = block.qs[place.qs + l] >> place.shift & 3;
        const int high = block.hmask[place.mask + l] >> place.mask_bit & 1;
        *out++ = scale * static_cast<float>(low - (high ? 0 : 4));
      }
    }
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockQ3_K* blocks) {
  SymmetricBlock fit;
  for (size_t i = 0; i < count; ++i, in += kSuperBlock) {
    FitSymmetricBlock(in, {.low = -4, .high = 3, .scale_low = -32, .scale_high = 31}, &fit);
    BlockQ3_K& block = blocks[i];
    block = {};
    StoreHalf(fit.d, block.d);
    for (int sub = 0; sub < 16; ++sub) {
      const Place place(sub);
      PackScale(sub, fit.scales[sub], block.scales);
      for (int l = 0; l < 16; ++l) {
        const int value = fit.q[16 * sub + l] + 4;
        block.qs[place.qs + l] |= static_cast<uint8_t>((value & 3) << place.shift);
        block.hmask[place.mask + l] |= static_cast<uint8_t>(value >> 2 << place.mask_bit);
      }
    }
  }
}

}  // namespace mcv
