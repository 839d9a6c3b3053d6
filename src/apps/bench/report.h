// The results as a table for people (Markdown).
#pragma once

#include <map>
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

// What this table and the ladder's are written with: a value or "?"; the processor, how many of
// them and the system; a row of Markdown.
std::string Setting(const std::map<std::string, std::string>& values, const char* name);
std::string MachineText(const std::map<std::string, std::string>& machine);
std::string Cells(const std::vector<std::string>& cells);

}  // namespace mcv::bench
