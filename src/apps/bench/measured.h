// What one run of one side gave.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/bench/plan.h"
#include "base/status.h"

namespace mcv::bench {

// What a run does not tell is empty or 0.
struct Measured {
  std::optional<double> encode_seconds;     // all views together, without decoding and resizing
  std::optional<double> tokens_per_second;  // prefill or decode
  std::optional<double> load_seconds;       // from the start of loading until ready
  std::optional<double> still_cached;       // share of the files that the cache kept, cold runs
  std::optional<double> prefill_seconds;    // the prompt, pictures' rows included
  std::optional<double> decode_rate;        // tokens/s of the answer behind its first token
  std::vector<int32_t> answer;              // ids of an answer's tokens
  std::optional<double> read_rate;  // bytes/s of plain reads, the better of just before and after
  std::string setup;                // with what it ran, for people
  int views = 0;
  int64_t prompt_tokens = 0;
  double wall_seconds = 0.0;  // the whole process
  uint64_t peak_resident_bytes = 0;
  // The most of it that was no page of a file, so that the system could not take it back; looked at
  // behind the encoder and at the end. 0: not looked at.
  uint64_t own_bytes = 0;
};

nlohmann::json ToJson(const Measured& measured);
// Corrupt when a field has another type.
Result<Measured> MeasuredFromJson(const nlohmann::json& json);

// The row's value in RowUnit(row), or nothing if the run does not tell.
std::optional<double> ValueOf(const Row& row, const Measured& measured);

// Of an even number the mean of the middle two; values must not be empty.
double Median(std::vector<double> values);

}  // namespace mcv::bench
