#include "formats/quant/fit.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"

namespace mcv {
namespace {

constexpr int kLanes = 8;  // independent partial sums, so that the compiler may use vectors
constexpr int kSymmetricWidth = 16;
constexpr int kSubBlocks = 16;  // the most a super-block has

float RoundToHalf(float value) { return HalfToFloat(FloatToHalf(value)); }

// Rounds to the nearest integer (ties to even) without a call, then clamps; NaN becomes low.
// Adding 1.5 * 2^23 leaves no fraction bits for |value| < 2^22; larger values are clamped anyway.
inline float RoundClamp(float value, float low, float high) {
  float rounded = (value + 12582912.0f) - 12582912.0f;
  rounded = rounded > low ? rounded : low;
  return rounded < high ? rounded : high;
}

float SumLanes(const float (&lanes)[kLanes]) {
  float sum = 0.0f;
  for (const float lane : lanes) sum += lane;
  return sum;
}

float InverseOrZero(float value) {
  if (value == 0.0f) return 0.0f;
  const float inverse = 1.0f / value;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

// --- y = scale * q ---

struct SymmetricSums {
  float xq = 0.0f;
  float qq = 0.0f;
  // How much of sum(x^2) the best scale for these integers explains.
  float Gain() const { return qq > 0.0f ? xq * xq / qq : 0.0f; }
  float Scale() const { return qq > 0.0f ? xq / qq : 0.0f; }
};

SymmetricSums SumSymmetric(const float* x, float inverse, const SymmetricShape& shape) {
  const auto low = static_cast<float>(shape.low);
  const auto high = static_cast<float>(shape.high);
  float xq[kLanes] = {};
  float qq[kLanes] = {};
  for (int i = 0; i < kSymmetricWidth; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float q = RoundClamp(x[i + l] * inverse, low, high);
      xq[l] += x[i + l] * q;
      qq[l] += q * q;
    }
  }
  return {SumLanes(xq), SumLanes(qq)};
}

// Sum of (x - scale * q)^2 for the best integers; writes them where asked.
float RoundSymmetric(const float* x, float scale, const SymmetricShape& shape, int8_t* q_out) {
  const float inverse = InverseOrZero(scale);
  const auto low = static_cast<float>(shape.low);
  const auto high = static_cast<float>(shape.high);
  float errors[kLanes] = {};
  for (int i = 0; i < kSymmetricWidth; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float q = RoundClamp(x[i + l] * inverse, low, high);
      const float difference = x[i + l] - scale * q;
      errors[l] += difference * difference;
      if (q_out != nullptr) q_out[i + l] = static_cast<int8_t>(q);
    }
  }
  return SumLanes(errors);
}

// The least-squares scale of one sub-block: scales that put the peak near either end of the range,
// and the refinement of the best of them (integers, then scale, in turn).
float FitSymmetricScale(const float* x, const SymmetricShape& shape) {
  float peak = 0.0f;
  for (int i = 0; i < kSymmetricWidth; ++i) {
    if (std::fabs(x[i]) > std::fabs(peak)) peak = x[i];
  }
  const float peak_inverse = InverseOrZero(peak);
  if (peak_inverse == 0.0f) return 0.0f;
  SymmetricSums best;
  const auto consider = [&](float inverse) {
    const SymmetricSums sums = SumSymmetric(x, inverse, shape);
    if (sums.Gain() <= best.Gain()) return false;
    best = sums;
    return true;
  };
  // Few levels make the best place of the peak less predictable, so the range tried is wider.
  const int steps = shape.high < 8 ? 12 : 9;
  for (int step = -steps; step <= steps; ++step) {
    const float shift = 0.1f * static_cast<float>(step);
    consider((static_cast<float>(shape.low) + shift) * peak_inverse);
    consider((static_cast<float>(shape.high) + shift) * peak_inverse);
  }
  for (int round = 0; round < 4 && consider(InverseOrZero(best.Scale())); ++round) {
  }
  return best.Scale();
}

// Integer scale for one sub-block given the unit d: the nearest one to the wish or a neighbour,
// whichever leaves the least error. Returns that error and writes the integers.
float ChooseSymmetricScale(const float* x, float wish, float d, const SymmetricShape& shape,
                           int8_t* scale_out, int8_t* q) {
  const auto low = static_cast<float>(shape.scale_low);
  const auto high = static_cast<float>(shape.scale_high);
  const float nearest = RoundClamp(wish * InverseOrZero(d), low, high);
  float best_error = INFINITY;
  float best_scale = 0.0f;
  for (const float shift : {0.0f, -1.0f, 1.0f}) {
    const float scale = RoundClamp(nearest + shift, low, high);
    const float error = RoundSymmetric(x, d * scale, shape, nullptr);
    if (error < best_error) {
      best_error = error;
      best_scale = scale;
    }
  }
  *scale_out = static_cast<int8_t>(best_scale);
  return RoundSymmetric(x, d * best_scale, shape, q);
}

// A whole super-block for the unit d; returns its squared error.
float FillSymmetricBlock(const float* x, const float* wishes, float d, const SymmetricShape& shape,
                         SymmetricBlock* out) {
  out->d = d;
  float error = 0.0f;
  for (int j = 0; j < kSubBlocks; ++j) {
    const int begin = j * kSymmetricWidth;
    error += ChooseSymmetricScale(x + begin, wishes[j], d, shape, &out->scales[j], out->q + begin);
  }
  return error;
}

// The unit that fits best when all integers stay as they are.
float RefitSymmetricUnit(const float* x, const SymmetricBlock& block) {
  double xa = 0.0;
  double aa = 0.0;
  for (int i = 0; i < kSuperBlock; ++i) {
    const int j = i / kSymmetricWidth;
    const double a = double{1} * block.scales[j] * block.q[i];
    xa += x[i] * a;
    aa += a * a;
  }
  return aa > 0.0 ? static_cast<float>(xa / aa) : 0.0f;
}

// --- y = scale * q - min ---

struct AffinePair {
  float scale = 0.0f;
  float min = 0.0f;
};

// Sum of (x - (scale * q - min))^2 for the best integers; writes them where asked.
float RoundAffine(const float* x, AffinePair pair, const AffineShape& shape, uint8_t* q_out) {
  const float inverse = InverseOrZero(pair.scale);
  const auto high = static_cast<float>(shape.high);
  float errors[kLanes] = {};
  for (int i = 0; i < shape.width; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float q = RoundClamp((x[i + l] + pair.min) * inverse, 0.0f, high);
      const float difference = x[i + l] - (pair.scale * q - pair.min);
      errors[l] += difference * difference;
      if (q_out != nullptr) q_out[i + l] = static_cast<uint8_t>(q);
    }
  }
  return SumLanes(errors);
}

// A pair and how much of sum(x^2) it explains: the residual of a least-squares fit is orthogonal to
// what it fitted, so the error needs no second pass over the values.
struct AffineSolution {
  AffinePair pair;
  float gain = 0.0f;
};

// The least-squares scale and minimum for the integers that (x + min) * inverse rounds to.
AffineSolution SolveAffine(const float* x, float min, float inverse, const AffineShape& shape) {
  const auto high = static_cast<float>(shape.high);
  float sx[kLanes] = {}, sq[kLanes] = {}, sqq[kLanes] = {}, sxq[kLanes] = {};
  for (int i = 0; i < shape.width; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float value = x[i + l];
      const float q = RoundClamp((value + min) * inverse, 0.0f, high);
      sx[l] += value;
      sq[l] += q;
      sqq[l] += q * q;
      sxq[l] += value * q;
    }
  }
  const float n = static_cast<float>(shape.width);
  const float x_sum = SumLanes(sx), q_sum = SumLanes(sq), qq = SumLanes(sqq), xq = SumLanes(sxq);
  const float determinant = n * qq - q_sum * q_sum;
  if (determinant > 0.0f) {
    const float scale = (n * xq - x_sum * q_sum) / determinant;
    const float fitted_min = (scale * q_sum - x_sum) / n;
    if (scale > 0.0f && fitted_min >= 0.0f) {
      return {{scale, fitted_min}, scale * xq - fitted_min * x_sum};
    }
  }
  // The format has no minimum above zero: without one, only the scale is left.
  if (qq > 0.0f && xq > 0.0f) return {{xq / qq, 0.0f}, xq * xq / qq};
  const float constant = std::max(0.0f, -x_sum / n);
  return {{0.0f, constant}, -constant * x_sum};
}

// The least-squares pair of one sub-block, searched like FitSymmetricScale.
AffinePair FitAffinePair(const float* x, const AffineShape& shape) {
  const auto [lowest, highest] = std::minmax_element(x, x + shape.width);
  const float min = std::max(0.0f, -*lowest);
  const float span = *highest + min;
  const float span_inverse = span > 0.0f ? InverseOrZero(span) : 0.0f;
  AffineSolution best = SolveAffine(x, min, 0.0f, shape);
  if (span_inverse == 0.0f) return best.pair;
  const auto consider = [&](float trial_min, float inverse) {
    const AffineSolution solution = SolveAffine(x, trial_min, inverse, shape);
    if (solution.gain <= best.gain) return false;
    best = solution;
    return true;
  };
  const int steps = shape.high < 8 ? 12 : 10;
  // With four levels the best fit also gives up some of the lowest values.
  const float second_min = shape.high < 8 ? 0.8f * min : min;
  for (int step = -steps; step <= steps; ++step) {
    const float levels = static_cast<float>(shape.high) + 0.1f * static_cast<float>(step);
    consider(min, levels * span_inverse);
    if (second_min != min) consider(second_min, levels * span_inverse);
  }
  for (int round = 0; round < 4; ++round) {
    if (!consider(best.pair.min, InverseOrZero(best.pair.scale))) break;
  }
  return best.pair;
}

struct AffineUnits {
  float d;
  float dmin;
};

// Integer scale and minimum for one sub-block given the units; see ChooseSymmetricScale.
float ChooseAffinePair(const float* x, AffinePair wish, AffineUnits units, const AffineShape& shape,
                       int j, AffineBlock* out) {
  const auto high = static_cast<float>(shape.scale_high);
  const float nearest_scale = RoundClamp(wish.scale * InverseOrZero(units.d), 0.0f, high);
  const float nearest_min = RoundClamp(wish.min * InverseOrZero(units.dmin), 0.0f, high);
  float best_error = INFINITY;
  AffinePair best;
  for (const float scale_shift : {0.0f, -1.0f, 1.0f}) {
    for (const float min_shift : {0.0f, -1.0f, 1.0f}) {
      const AffinePair pair = {RoundClamp(nearest_scale + scale_shift, 0.0f, high),
                               RoundClamp(nearest_min + min_shift, 0.0f, high)};
      const float error =
          RoundAffine(x, {units.d * pair.scale, units.dmin * pair.min}, shape, nullptr);
      if (error < best_error) {
        best_error = error;
        best = pair;
      }
    }
  }
  out->scales[j] = static_cast<uint8_t>(best.scale);
  out->mins[j] = static_cast<uint8_t>(best.min);
  return RoundAffine(x, {units.d * best.scale, units.dmin * best.min}, shape,
                     out->q + j * shape.width);
}

float FillAffineBlock(const float* x, const AffinePair* wishes, AffineUnits units,
                      const AffineShape& shape, AffineBlock* out) {
  out->d = units.d;
  out->dmin = units.dmin;
  float error = 0.0f;
  for (int j = 0; j < kSuperBlock / shape.width; ++j) {
    error += ChooseAffinePair(x + j * shape.width, wishes[j], units, shape, j, out);
  }
  return error;
}

// The units that fit best when all integers stay: two normal equations.
AffineUnits RefitAffineUnits(const float* x, const AffineBlock& block, const AffineShape& shape) {
  double aa = 0.0, ab = 0.0, bb = 0.0, xa = 0.0, xb = 0.0;
  for (int i = 0; i < kSuperBlock; ++i) {
    const int j = i / shape.width;
    const double a = double{1} * block.scales[j] * block.q[i];
    const double b = -double{1} * block.mins[j];
    aa += a * a;
    ab += a * b;
    bb += b * b;
    xa += x[i] * a;
    xb += x[i] * b;
  }
  const double determinant = aa * bb - ab * ab;
  if (determinant <= 1e-9 * aa * bb || determinant <= 0.0) return {block.d, block.dmin};
  return {RoundToHalf(static_cast<float>((xa * bb - xb * ab) / determinant)),
          RoundToHalf(static_cast<float>((xb * aa - xa * ab) / determinant))};
}

}  // namespace

void FitSymmetricBlock(const float* x, const SymmetricShape& shape, SymmetricBlock* out) {
  float wishes[kSubBlocks];
  float peak = 0.0f;
  for (int j = 0; j < kSubBlocks; ++j) {
    wishes[j] = FitSymmetricScale(x + j * kSymmetricWidth, shape);
    if (std::fabs(wishes[j]) > std::fabs(peak)) peak = wishes[j];
  }
  // The longer, negative side of the integers takes the largest scale.
  float best_error = FillSymmetricBlock(
      x, wishes, RoundToHalf(peak / static_cast<float>(shape.scale_low)), shape, out);
  for (int round = 0; round < 3; ++round) {
    SymmetricBlock trial;
    const float d = RoundToHalf(RefitSymmetricUnit(x, *out));
    const float error = FillSymmetricBlock(x, wishes, d, shape, &trial);
    if (!(error < best_error)) break;
    best_error = error;
    *out = trial;
  }
}

void FitAffineBlock(const float* x, const AffineShape& shape, AffineBlock* out) {
  std::memset(out, 0, sizeof(*out));
  AffinePair wishes[kSubBlocks];
  AffinePair peak;
  for (int j = 0; j < kSuperBlock / shape.width; ++j) {
    wishes[j] = FitAffinePair(x + j * shape.width, shape);
    peak.scale = std::max(peak.scale, wishes[j].scale);
    peak.min = std::max(peak.min, wishes[j].min);
  }
  const float inverse = 1.0f / static_cast<float>(shape.scale_high);
  const AffineUnits first = {RoundToHalf(peak.scale * inverse), RoundToHalf(peak.min * inverse)};
  float best_error = FillAffineBlock(x, wishes, first, shape, out);
  for (int round = 0; round < 3; ++round) {
    AffineBlock trial = *out;
    const AffineUnits units = RefitAffineUnits(x, *out, shape);
    if (units.d < 0.0f || units.dmin < 0.0f) break;
    const float error = FillAffineBlock(x, wishes, units, shape, &trial);
    if (!(error < best_error)) break;
    best_error = error;
    *out = trial;
  }
}

}  // namespace mcv
