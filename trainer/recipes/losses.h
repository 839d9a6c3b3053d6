// The losses of a step, and the heads that only training has.
#pragma once

#include <memory>

#include "trainer/modules/minicpmv.h"
#include "trainer/recipes/batch.h"
#include "trainer/recipes/stage.h"

namespace mcv::trainer {

// Read-outs of the tower that make the dense losses; dropped on export.
class AuxiliaryHeads : public torch::nn::Module {
 public:
  AuxiliaryHeads(int64_t vision_width, int64_t patch_classes, int64_t things);
  // fp32 logits of each patch: which thing or character [rows, patch classes], the cells of the
  // thing's centre [rows, kPlaceCells] twice, and how many [rows, kNumberClasses].
  struct PatchLogits {
    Tensor label, column, row, number;
  };
  PatchLogits Patches(const Tensor& encoded) const;
  // fp32 logits [pictures, things] from each picture's mean patch.
  Tensor PresenceLogits(const Tensor& encoded, const std::vector<int64_t>& offsets) const;

 private:
  std::shared_ptr<Dense> patch_, place_, number_, presence_;
};

// What training holds: the model, whose parameters are named as published, and "aux." heads.
class TrainedModel : public torch::nn::Module {
 public:
  TrainedModel(const ModelConfig& config, int64_t patch_classes, int64_t things);
  MiniCpmV& model() { return *model_; }
  AuxiliaryHeads& heads() { return *heads_; }
  // All parameters; "model." is not part of a name.
  std::vector<std::pair<std::string, Tensor>> Parameters() const;

 private:
  std::shared_ptr<MiniCpmV> model_;
  std::shared_ptr<AuxiliaryHeads> heads_;
};

struct LossWeights {
  double dense = 1.0;
  double place = 0.25;  // within dense, for each of column and row
  double number = 0.5;  // within dense
  double presence = 0.05;
};

// Means over the labelled patches, pictures and answer tokens; undefined where a stage has no such
// loss.
struct Losses {
  Tensor total;
  Tensor dense;     // of labels; `total` also has those of places and numbers
  Tensor presence;  // summed over things, mean over pictures
  Tensor answer;
  Tensor patch_hits;   // share of labelled patches whose class is right
  Tensor column_hits;  // ... whose thing's centre is in the right column
  Tensor number_hits;  // ... whose number is right
  Tensor answer_hits;  // share of answer tokens that are right given the ones before
};
Losses ComputeLosses(TrainedModel& model, const StepBatch& batch, const Stage& stage,
                     const LossWeights& weights, at::ScalarType type);

}  // namespace mcv::trainer
