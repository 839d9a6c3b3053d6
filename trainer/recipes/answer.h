// Greedy answers of the model in training, many questions at once.
#pragma once

#include <string>
#include <vector>

#include "trainer/data/bpe_builder.h"
#include "trainer/modules/minicpmv.h"
#include "trainer/recipes/batch.h"

namespace mcv::trainer {

struct AnswerRequest {
  const Picture* picture = nullptr;
  std::string question;
};

// One answer for each request, each a conversation of its own; at most `most_tokens` tokens.
// Pictures that follow each other and are the same object are encoded once. Without a key cache:
// every token runs all rows again, which is cheap at these sizes and keeps one code path with
// training.
std::vector<std::string> Answer(MiniCpmV& model, const NanoTokenizer& tokenizer,
                                const std::vector<AnswerRequest>& requests, int most_tokens,
                                at::ScalarType type);

}  // namespace mcv::trainer
