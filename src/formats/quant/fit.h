// Least-squares fits that the K types' quantisers are built from: private to formats/quant.
//
// A K super-block has 256 values in sub-blocks, each with small-integer scale (and minimum) times
// one half-precision unit for the whole super-block. The fit goes outside in and back: best real
// scale per sub-block, units from the largest of them, integers from the units, then the units
// again from the integers, each step judged by the plain sum of squared differences.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mcv {

inline constexpr int kSuperBlock = 256;

// y = (d * scale[j]) * q with q in [low, high] and integer scales in [scale_low, scale_high]; Q3_K
// and Q6_K have 16 sub-blocks of 16.
struct SymmetricShape {
  int low;
  int high;
  int scale_low;
  int scale_high;
};
struct SymmetricBlock {
  float d;  // exactly representable as a half
  int8_t scales[16];
  int8_t q[kSuperBlock];
};
void FitSymmetricBlock(const float* x, const SymmetricShape& shape, SymmetricBlock* out);

// y = (d * scale[j]) * q - dmin * min[j] with q in [0, high], integer scales and minima in
// [0, scale_high]; `width` values (16 or 32) share a pair.
struct AffineShape {
  int width;
  int high;
  int scale_high;
};
struct AffineBlock {
  float d;
  float dmin;
  uint8_t scales[16];
  uint8_t mins[16];
  uint8_t q[kSuperBlock];
};
void FitAffineBlock(const float* x, const AffineShape& shape, AffineBlock* out);

}  // namespace mcv
