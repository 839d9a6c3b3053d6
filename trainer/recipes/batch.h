// From samples to the tensors of one training step.
#pragma once

#include <vector>

#include "trainer/data/bpe_builder.h"
#include "trainer/data/sample.h"
#include "trainer/modules/minicpmv.h"

namespace mcv::trainer {

// PatchTruth of all pictures of a step, [patch rows] int64 each; -1 where nothing is asked.
struct PatchTargets {
  Tensor label, column, row, number;
};

struct StepBatch {
  PictureBatch pictures;
  TextBatch text;  // empty when no tokenizer was given
  Tensor targets;  // [kept] int64, -1 where a row is only padding
  PatchTargets patches;
  Tensor presence;      // [pictures, things] fp32, 1 where the picture shows the thing
  bool scenes = false;  // all samples are scenes: `presence` means something

  // Moves every tensor.
  void MoveTo(const torch::Device& device);
};

// Pixels become ((value / 255) - 0.5) / 0.5, a patch is flattened as (channel, row, column).
PictureBatch MakePictureBatch(const std::vector<const Picture*>& pictures, int table_side);

// Conversations one after the other; conversation i's features are rows [i Q, (i + 1) Q). Rows
// whose target is not -1 are kept. Row counts are rounded up, so that few different shapes occur:
// libtorch compiles a matrix product anew for every shape.
TextBatch MakeTextBatch(const std::vector<ChatTokens>& chats, int queries, Tensor& targets);

// `tokenizer` may be null: no text is made.
StepBatch MakeStepBatch(const std::vector<Sample>& samples, const ModelConfig& config,
                        const NanoTokenizer* tokenizer, int num_things);

}  // namespace mcv::trainer
