// Accepted numbers: what the files of bench/baselines/ hold, and how new numbers stand to them.
//
// A file is JSON for people to read in a diff: "about" says what the numbers belong to and how they
// were made, "numbers" has one line for each kernel. A number is exact (an instruction count) or
// the median of several measurements, written with their spread.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mcv::bench {

// Far more than a file of numbers or of one run has.
inline constexpr size_t kLargestFile = size_t{64} << 20;

struct Number {
  double value = 0;
  double spread = 0;  // (highest - lowest) / value of the measurements (MedianOf); 0: exact
  bool operator==(const Number&) const = default;
};
using Numbers = std::map<std::string, Number>;

struct Accepted {
  std::map<std::string, std::string> about;
  Numbers numbers;
};

// Of one measurement or more; not empty. With five or more the highest and the lowest do not count
// for the spread: one disturbed run must not hide everything behind it.
Number MedianOf(std::vector<double> values);

Result<Accepted> ParseAccepted(std::string_view text);
std::string AcceptedText(const Accepted& accepted);
// Errors name the path. A file that is not there is kNotFound.
Result<Accepted> ReadAccepted(const std::string& path);
Status WriteAccepted(const std::string& path, const Accepted& accepted);

enum class Verdict {
  kSame,     // within the tolerance, or within either side's spread
  kHigher,   //
  kLower,    //
  kNew,      // nothing is accepted for it
  kMissing,  // accepted, but not measured
};

struct Comparison {
  std::string name;
  Number accepted, now;
  Verdict verdict = Verdict::kSame;
  double ratio() const { return now.value / accepted.value; }
};

// One for each name of either side, in order. `tolerance` is relative: 0.02 lets 2 % pass.
std::vector<Comparison> Compare(const Numbers& accepted, const Numbers& now, double tolerance);

// What this program was compiled with: "GCC 12.2.0".
std::string Compiler();

// "compiler: GCC 12.2.0, here GCC 13.1.0": where `here` differs from what the numbers belong to;
// empty where it does not. Keys of `about` that `here` has not are no condition.
std::string Difference(const Accepted& accepted, const std::map<std::string, std::string>& here);

}  // namespace mcv::bench
