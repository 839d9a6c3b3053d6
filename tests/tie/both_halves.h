// One picture and one question through each half of the project, with the numbers on the way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "trainer/data/bpe_builder.h"
#include "trainer/data/sample.h"
#include "trainer/modules/minicpmv.h"

namespace mcv::tie {

struct Numbers {
  std::vector<float> patches;   // [patches, 3 * 14 * 14], normalised
  std::vector<int32_t> prompt;  // ids, placeholders included
  std::vector<float> features;  // [queries, width]: the resampler's output
  std::vector<float> logits;    // [prompt + forced, vocabulary]
  std::vector<int32_t> answer;  // greedy, without the token that ended it
  std::vector<float> gaps;      // libtorch only: between the two largest logits of each step
};

inline constexpr int kMostTokens = 12;
// Read behind the prompt, whatever the model itself would answer: the engine takes these tokens one
// at a time, from its cache.
inline constexpr char kForcedAnswer[] = "There are two cats and a red circle on a blue background.";

// In fp32, every token anew from the first row: no cache that could hide a mistake.
Numbers RunTrainer(trainer::MiniCpmV& model, const trainer::NanoTokenizer& tokenizer,
                   const trainer::Picture& picture, const std::string& question);

// The way of a person's picture: from a PNG file through decoding and views; the answer from a
// session. Fails the test on any error.
Numbers RunEngine(const Engine& engine, const std::string& png, const std::string& question);

float LargestDifference(const std::vector<float>& a, const std::vector<float>& b);
float LargestValue(const std::vector<float>& values);

}  // namespace mcv::tie
