// The results as a table for people (Markdown).
#pragma once

#include <string>
#include <vector>

#include "apps/bench/results.h"

namespace mcv::bench {

std::string ReportText(const Results& results);

// Above the table and the picture: who, on what.
std::string HeadLine(const Results& results);
// "; back end of llama.cpp libggml-cpu-haswell.so" for each peer that names one.
std::string BackendsText(const Results& results);
std::string LimitsLine(const Limits& limits);
// What each peer was given besides, so that nobody has to guess whether it was made slow.
std::vector<std::string> OptionLines(const Results& results);
// What has no values on a side, and why: "decode@4096 of llama.cpp: ...".
std::vector<std::string> LeftOut(const Results& results);

}  // namespace mcv::bench
