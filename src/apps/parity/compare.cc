#include "apps/parity/compare.h"

#include <algorithm>
#include <cmath>

namespace mcv::parity {

double LargestDifference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(double{a[i]} - double{b[i]});
    if (std::isnan(difference)) return HUGE_VAL;
    largest = std::max(largest, difference);
  }
  return largest;
}

namespace {

// The summary's parts, each compared with its own words on failure.
class SummaryComparer {
 public:
  explicit SummaryComparer(ConstMatView values) : values_(values) {
    flat_.reserve(static_cast<size_t>(values.rows * values.cols));
    for (int64_t row = 0; row < values.rows; ++row) {
      flat_.insert(flat_.end(), values.Row(row), values.Row(row) + values.cols);
    }
  }

  Summary Compare(const nlohmann::json& entry, std::span<const float> sampled) {
    const std::vector<int64_t> shape = entry.at("shape").get<std::vector<int64_t>>();
    const int64_t elements = static_cast<int64_t>(flat_.size());
    int64_t product = 1;
    for (const int64_t side : shape) product *= side;
    if (product != elements || (!shape.empty() && shape.back() != values_.cols)) {
      Take(HUGE_VAL, "shape [" + std::to_string(values_.rows) + ", " +
                         std::to_string(values_.cols) + "], expected " + entry.at("shape").dump());
      return worst_;
    }
    CompareMoments(entry);
    CompareFirst(entry.at("first64").get<std::vector<float>>());
    if (!sampled.empty()) CompareSampled(sampled);
    return worst_;
  }

 private:
  void Take(double difference, const std::string& detail) {
    if (!(difference > worst_.difference)) return;
    worst_ = {difference, detail};
  }
  void CompareMoments(const nlohmann::json& entry) {
    double sum = 0.0;
    for (const float value : flat_) sum += value;
    const double mean = sum / static_cast<double>(flat_.size());
    double squares = 0.0;
    for (const float value : flat_) squares += (value - mean) * (value - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(flat_.size()));
    const double expected_mean = entry.at("mean").get<double>();
    const double expected_deviation = entry.at("std").get<double>();
    Take(Distance(mean, expected_mean),
         "mean " + std::to_string(mean) + ", expected " + std::to_string(expected_mean));
    Take(Distance(deviation, expected_deviation), "deviation " + std::to_string(deviation) +
                                                      ", expected " +
                                                      std::to_string(expected_deviation));
  }
  void CompareFirst(const std::vector<float>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      if (i >= flat_.size()) return Take(HUGE_VAL, "fewer values than expected");
      CompareAt(i, expected[i]);
    }
  }
  void CompareSampled(std::span<const float> expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      const size_t place = i * kSampleStep;
      if (place >= flat_.size()) return Take(HUGE_VAL, "fewer values than expected");
      CompareAt(place, expected[i]);
    }
  }
  void CompareAt(size_t place, float expected) {
    const double distance = Distance(flat_[place], expected);
    if (distance <= worst_.difference) return;
    Take(distance, "element " + std::to_string(place) + " is " + std::to_string(flat_[place]) +
                       ", expected " + std::to_string(expected));
  }
  static double Distance(double a, double b) {
    const double distance = std::fabs(a - b);
    return std::isnan(distance) ? HUGE_VAL : distance;
  }

  ConstMatView values_;
  std::vector<float> flat_;
  Summary worst_;
};

}  // namespace

Summary CompareSummary(const nlohmann::json& entry, std::span<const float> sampled,
                       ConstMatView values) {
  return SummaryComparer(values).Compare(entry, sampled);
}

Result<std::vector<float>> ReadNpyValues(const std::string& path, size_t count) {
  MCV_ASSIGN_OR_RETURN(NpyArray array, ReadNpy(path));
  if (array.values.size() != count) {
    return Corrupt(path + ": holds " + std::to_string(array.values.size()) + " values, expected " +
                   std::to_string(count));
  }
  return std::move(array.values);
}

}  // namespace mcv::parity
