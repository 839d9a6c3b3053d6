// Rows and values as people read them.
#pragma once

#include <string>
#include <vector>

#include "apps/bench/plan.h"
#include "family/config.h"

namespace mcv::bench {

// "decode, 1,024 tokens of context".
std::string RowTitle(const Row& row, const ModelConfig& config);

// "49.4 tokens/s", "850 ms", "4.69 GB".
std::string ValueText(const Row& row, double value);
// Several in the unit that `like` would be shown in, without it: "51.1 35.7 49.4".
std::string ValuesText(const Row& row, const std::vector<double>& values, double like);
// "64 %".
std::string PercentText(double share);
// "1.83", "52.8", "639": a ratio.
std::string TimesText(double times);
// "1,024".
std::string CountText(int64_t count);

}  // namespace mcv::bench
