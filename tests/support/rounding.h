// What rounding does to values: the numbers that the bounds of tests on fast kernels are made of.
// All are root mean squares, as a share of the values' own root mean square.
//
// Errors of single values are independent, so they add up as squares: a sum of products of two
// rounded operands is off by sqrt(2) times one operand's noise, whatever the number of terms, and
// n products in a row by sqrt(2 n) times, where no step enlarges what it is given.
#pragma once

#include <cmath>
#include <string_view>

namespace mcv {

// Floating point with `bits` of significand: even within a step of 2^(1 - bits) of the power of two
// below. Significands of data lie evenly in their logarithm, with a mean square of 1.5 / ln 2. At
// most it is 2^-bits of a value.
inline double FloatNoise(int bits) {
  return std::ldexp(1.0, 1 - bits) / std::sqrt(12.0 * 1.5 / std::log(2.0));
}

// Whole numbers up to +-`largest`, which the largest of a block of 256 becomes: even within a step.
// That one is 3 times the root mean square (of many blocks) where values lie as Gauss has it.
constexpr double kPeakOfBlock = 3.0;
inline double WholeNumberNoise(int largest) { return kPeakOfBlock / largest / std::sqrt(12.0); }
inline double Int8Noise() { return WholeNumberNoise(127); }

// A property of the target: how Numerics::kFast rounds the operands of float products, attention
// included (src/kernels/README.md).
inline double FloatOperandNoise(std::string_view target) {
  if (target == "avx512bf16") return FloatNoise(8);
  if (target == "avx2") return WholeNumberNoise(2895);
  return FloatNoise(24);
}

// Whether that is a share of the largest of a block, not of each value. Matters where a few values
// are much larger than all others.
inline bool RoundsWholeBlocks(std::string_view target) { return target == "avx2"; }

// fp32 sums of k terms, in any order: what the running sum loses at each step, 2^-24 / sqrt(3) of
// it at most, over a random walk of k steps.
inline double SumNoise(double k) { return std::ldexp(1.0, -24) * std::sqrt(k / 6.0); }

// The square of what a product of k terms is off by, with both operands rounded.
inline double ProductNoiseSquared(double operand_noise, double k) {
  return 2.0 * operand_noise * operand_noise + SumNoise(k) * SumNoise(k);
}

}  // namespace mcv
