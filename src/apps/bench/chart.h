// The results as a picture (SVG): for each row bars against the machine's limit, longer is better.
#pragma once

#include <string>

#include "apps/bench/results.h"

namespace mcv::bench {

// Well-formed XML, readable on light and on dark pages.
std::string ChartSvg(const Results& results);

}  // namespace mcv::bench
