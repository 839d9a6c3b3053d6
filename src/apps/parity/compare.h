// Differences between what was computed and what is expected.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "formats/npy/npy.h"
#include "kernels/kernels.h"

namespace mcv::parity {

// Absolute, as the goldens state them for fp32 arithmetic.
inline constexpr double kEncoderTolerance = 1e-4;  // tower and resampler
inline constexpr double kTextTolerance = 1e-3;     // LLM states and logits
inline constexpr double kDecisiveGap = 2e-3;  // below it, either of two tokens may be the largest
inline constexpr double kPatchTolerance = 1e-6;
inline constexpr double kTensorTolerance = 1e-6;  // of sums; the values themselves are equal

// The largest absolute difference; infinity if the lengths differ or a value is not a number.
double LargestDifference(std::span<const float> a, std::span<const float> b);

// Entries that differ, plus the difference of the lengths.
template <typename T>
int64_t CountUnequal(std::span<const T> a, std::span<const T> b) {
  const size_t shared = a.size() < b.size() ? a.size() : b.size();
  int64_t unequal = static_cast<int64_t>(a.size() + b.size() - 2 * shared);
  for (size_t i = 0; i < shared; ++i) unequal += a[i] == b[i] ? 0 : 1;
  return unequal;
}

// "item 3 is 5, expected 7", or the lengths; empty when equal.
template <typename T>
std::string FirstUnequal(std::span<const T> got, std::span<const T> expected) {
  for (size_t i = 0; i < got.size() && i < expected.size(); ++i) {
    if (got[i] == expected[i]) continue;
    return "item " + std::to_string(i) + " is " + std::to_string(got[i]) + ", expected " +
           std::to_string(expected[i]);
  }
  if (got.size() == expected.size()) return "";
  return std::to_string(got.size()) + " items, expected " + std::to_string(expected.size());
}

// What the goldens keep of a long array: shape, mean, population deviation, the first 64 values,
// and every 97th (`sampled`; empty: not kept).
struct Summary {
  double difference = 0.0;
  std::string detail;
};
Summary CompareSummary(const nlohmann::json& entry, std::span<const float> sampled,
                       ConstMatView values);

inline constexpr int64_t kSampleStep = 97;

// All values of an .npy file, its shape checked against `count` values.
Result<std::vector<float>> ReadNpyValues(const std::string& path, size_t count);

}  // namespace mcv::parity
