// What a language model is given to read, and which of it it has to foresee.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/text/text_model.h"

namespace mcv::quality {

struct Reading {
  std::vector<int32_t> ids;
  std::vector<float> features;    // what `images` looks at
  std::vector<ImageRows> images;  // all before the first target
  std::vector<int64_t> targets;   // positions of ids to be foreseen; ascending, above 0
};

// Conversations in the model's own format, as a session reads them; targets are the tokens of the
// answers and what ends each. The pictures are encoded once, exactly, by the pair's own encoder:
// all who read are given the same rows.
Result<std::vector<Reading>> ReadConversations(const std::string& llm_path);

// `count` texts of `length` random ids; every position but the first is a target.
std::vector<Reading> RandomReadings(int32_t vocab, int count, int length);

}  // namespace mcv::quality
