// IQ4_NL: 32 values, one scale, four-bit indices into a fixed table that is denser near zero.
#include <algorithm>
#include <cmath>

#include "formats/quant/block_codecs.h"

namespace mcv {
namespace {

// The index of the table value nearest to every half step from -128: midpoints between neighbours
// are multiples of one half, so no finer steps are needed. A midpoint itself goes up.
struct NearestTable {
  static constexpr int kSteps = 512;
  constexpr NearestTable() {
    for (int step = 0, index = 0; step < kSteps; ++step) {
      const int doubled = step - kSteps / 2;
      while (index < 15 && kIq4NlValues[index] + kIq4NlValues[index + 1] <= doubled) ++index;
      indices[step] = static_cast<uint8_t>(index);
    }
  }
  uint8_t indices[kSteps] = {};
};
constexpr NearestTable kNearest;

int NearestIndex(float value) {
  // NaN and everything too small go to the first step; truncation is floor from there on.
  const float step = value * 2.0f + 256.0f;
  const float clamped = step > 0.0f ? std::min(step, 511.0f) : 0.0f;
  return kNearest.indices[static_cast<int>(clamped)];
}

struct Sums {
  float xv = 0.0f;
  float vv = 0.0f;
  float Gain() const { return vv > 0.0f ? xv * xv / vv : 0.0f; }
  float Scale() const { return vv > 0.0f ? xv / vv : 0.0f; }
};

Sums SumNearest(const float* in, float inverse) {
  Sums sums;
  for (int j = 0; j < 32; ++j) {
    const auto value = static_cast<float>(kIq4NlValues[NearestIndex(in[j] * inverse)]);
    sums.xv += in[j] * value;
    sums.vv += value * value;
  }
  return sums;
}

// The least-squares scale: candidates put the peak near either end of the table, then indices and
// scale improve each other.
float FitScale(const float* in) {
  float peak = 0.0f;
  for (int j = 0; j < 32; ++j) {
    if (std::fabs(in[j]) > std::fabs(peak)) peak = in[j];
  }
  if (peak == 0.0f || !std::isfinite(1.0f / peak)) return 0.0f;
  Sums best;
  const auto consider = [&](float inverse) {
    const Sums sums = SumNearest(in, inverse);
    if (sums.Gain() <= best.Gain()) return false;
    best = sums;
    return true;
  };
  for (int step = -7; step <= 7; ++step) {
    const float stretch = 1.0f + 0.02f * static_cast<float>(step);
    consider(static_cast<float>(kIq4NlValues[0]) * stretch / peak);
    consider(static_cast<float>(kIq4NlValues[15]) * stretch / peak);
  }
  for (int round = 0; round < 4; ++round) {
    if (best.Scale() == 0.0f || !consider(1.0f / best.Scale())) break;
  }
  return best.Scale();
}

}  // namespace

void DequantizeBlocks(const BlockIQ4_NL* blocks, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i, out += 32) {
    const float d = LoadHalf(blocks[i].d);
    for (int j = 0; j < 16; ++j) {
      out[j] = d * static_cast<float>(kIq4NlValues[blocks[i].qs[j] & 15]);
      out[j + 16] = d * static_cast<float>(kIq4NlValues[blocks[i].qs[j] >> 4]);
    }
  }
}

void QuantizeBlocks(const float* in, size_t count, BlockIQ4_NL* blocks) {
  for (size_t i = 0; i < count; ++i, in += 32) {
    StoreHalf(FitScale(in), blocks[i].d);
    // Indices for the scale as it is stored.
    const float d = LoadHalf(blocks[i].d);
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    for (int j = 0; j < 16; ++j) {
      blocks[i].qs[j] = static_cast<uint8_t>(NearestIndex(in[j] * inverse) |
                                             NearestIndex(in[j + 16] * inverse) << 4);
    }
  }
}

}  // namespace mcv
