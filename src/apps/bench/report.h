// The results as a table for people (Markdown).
#pragma once

#include <string>

#include "apps/bench/results.h"

namespace mcv::bench {

std::string ReportText(const Results& results);

// The two lines above the table and the picture: who, on what.
std::string HeadLine(const Results& results);
std::string LimitsLine(const Limits& limits);

}  // namespace mcv::bench
