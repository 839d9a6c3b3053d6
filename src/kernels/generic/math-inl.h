// exp and the activations over Vec. Include inside a region, after the target's vec.h.
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

// e^x = 2^n * e^f, n whole, |f| <= ln 2 / 2. The polynomial interpolates e^f at Chebyshev nodes
// (3e-9 relative), ln 2 is taken away in two parts, so the error is that of the fp32 steps: below
// 2e-7 relative. Results below 2^-126 become about that; +88 is the upper end.
MCV_INLINE Vec Exp(Vec x) {
  x = Min(Max(x, Set(-87.0f)), Set(88.0f));
  const Vec n = Round(Mul(x, Set(1.44269504f)));
  Vec f = Fma(n, Set(-0.693359375f), x);
  f = Fma(n, Set(2.12194440e-4f), f);
  Vec p = Set(1.394116075e-3f);
  p = Fma(p, f, Set(8.375168289e-3f));
  p = Fma(p, f, Set(4.166635227e-2f));
  p = Fma(p, f, Set(1.666641501e-1f));
  p = Fma(p, f, Set(5.000000047e-1f));
  p = Fma(p, f, Set(1.000000038f));
  p = Fma(p, f, Set(1.0f));
  return ScaleByPowerOfTwo(p, n);
}

MCV_INLINE Vec Silu(Vec x) { return Div(x, Add(Set(1.0f), Exp(Sub(Zero(), x)))); }

// x/2 (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3): no cancellation for x < 0.
MCV_INLINE Vec GeluTanh(Vec x) {
  const Vec cubic = Fma(Mul(x, x), Set(-2 * 0.7978845608f * 0.044715f), Set(-2 * 0.7978845608f));
  return Div(x, Add(Set(1.0f), Exp(Mul(x, cubic))));
}

// x/2 (1 + erf(x / sqrt 2)) by Abramowitz and Stegun 7.1.26: with z = |x| / sqrt 2, t = 1/(1 + p
// z), erfc(z) = poly(t) e^(-z^2), 1.5e-7 absolute. GELU = x - x/2 erfc for x >= 0, else x/2 erfc.
MCV_INLINE Vec GeluErf(Vec x) {
  const Vec z = Mul(Abs(x), Set(0.70710678f));
  const Vec t = Div(Set(1.0f), Fma(z, Set(0.3275911f), Set(1.0f)));
  Vec p = Set(1.061405429f);
  p = Fma(p, t, Set(-1.453152027f));
  p = Fma(p, t, Set(1.421413741f));
  p = Fma(p, t, Set(-0.284496736f));
  p = Fma(p, t, Set(0.254829592f));
  const Vec erfc = Mul(Mul(p, t), Exp(Sub(Zero(), Mul(z, z))));
  const Vec tail = Mul(Mul(x, Set(0.5f)), erfc);
  return WhereNegative(x, tail, Sub(x, tail));
}

template <Activation kActivation>
MCV_INLINE Vec Activate(Vec x) {
  if constexpr (kActivation == Activation::kGeluTanh) return GeluTanh(x);
  if constexpr (kActivation == Activation::kGeluErf) return GeluErf(x);
  if constexpr (kActivation == Activation::kSilu) return Silu(x);
  return x;
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
