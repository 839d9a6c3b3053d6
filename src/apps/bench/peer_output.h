// What llama.cpp's programs print, read.
#pragma once

#include <cstdint>
#include <string>

#include "apps/bench/measured.h"
#include "base/status.h"

namespace mcv::bench {

// Tokens a second from llama-bench's `-o json`, of its test with so many prompt and generated
// tokens (where context goes before a decode run with -gp, that is its prompt). Text around the
// list is skipped. Corrupt, with the end of the output, if it is not there.
Result<double> ParseLlamaBench(const std::string& output, int64_t prompt, int64_t generated);

// Tokens a second of all `sequences` together from llama-batched-bench's `--output-format jsonl`;
// lines of other kinds are skipped. Corrupt, with the end of the output, if it is not there.
Result<double> ParseBatchedBench(const std::string& output, int64_t sequences);

// Encode time and views from llama-mtmd-cli's log (also the wording of 2025, which ik_llama.cpp
// keeps: one line a slice), and the time until it was ready where its lines carry the log's clock.
// Corrupt without encode times.
Result<Measured> ParseMtmdLog(const std::string& log);

// How llama-bench's help calls context before a decode run: "-d" takes its tokens, "-gp" (of
// ik_llama.cpp) the tokens of both with a comma between. Empty where it can have none.
std::string ParseDepthOption(const std::string& help);

// What follows "version: ", or "" .
std::string ParseVersion(const std::string& output);
// File name of the CPU back end that it says it loaded, or "".
std::string ParseBackend(const std::string& output);

}  // namespace mcv::bench
