// One training run: draws batches, steps, logs, saves, resumes.
//
// A run is a pure function of its settings and start weights: data are counted, not drawn from a
// state, the learning rate is a function of the step, and nothing in the model is random. So
// resuming from a checkpoint gives the bits that an uninterrupted run gives, at the same number of
// threads.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/status.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/data/generator.h"
#include "trainer/data/loader.h"
#include "trainer/recipes/config.h"
#include "trainer/recipes/losses.h"
#include "trainer/recipes/optimizer.h"
#include "trainer/recipes/schedule.h"

namespace mcv::trainer {

class Trainer {
 public:
  // Loads data and tokenizer, builds the model, then takes weights from the newest checkpoint
  // (`resume`), from `init`, or from a fresh start. Only `resume` may use a run folder that has
  // checkpoints, with the settings that they were made with; "auto" precision is then what it was.
  static Result<std::unique_ptr<Trainer>> Create(const TrainConfig& config);

  // Until config.steps, max_minutes, or `stop`; ends with a checkpoint in every case.
  Status Run(const std::atomic<bool>& stop);

  TrainedModel& model() { return *model_; }
  int64_t step() const { return state_.step; }
  const NanoTokenizer& tokenizer() const { return *tokenizer_; }

 private:
  explicit Trainer(const TrainConfig& config) : config_(config) {}
  Status Setup();
  // Finds the checkpoint to go on from, or that there is none.
  Status FindStart();
  // The log ends where this run begins: lines that a killed run wrote behind its last checkpoint
  // would come twice.
  Status TrimLog() const;
  Status MakeTokenizer();
  Status StartWeights();
  Status LoadStart();
  Status InitialisePatches();
  void MakeOptimizer();
  CheckpointTensors Tensors() const;
  Status Save();
  Batch NextBatch();
  // One step; adds to the running sums.
  void Step(const StepBatch& batch);
  Status Log();

  TrainConfig config_;
  std::string start_;  // the checkpoint to go on from; empty: none
  std::string tokenizer_dir_;
  Stage stage_;
  at::ScalarType type_ = at::kFloat;  // of matrix products
  ModelConfig model_config_;
  std::shared_ptr<const DataAssets> assets_;
  std::unique_ptr<NanoTokenizer> tokenizer_;
  std::shared_ptr<TrainedModel> model_;
  std::unique_ptr<Optimizer> optimizer_;
  Schedule schedule_;
  std::unique_ptr<Loader> loader_;
  int loader_level_ = -1;
  RunState state_;

  // Sums since the last log line.
  struct Sums {
    int steps = 0;
    int skipped = 0;
    double norm = 0.0;
    double seconds = 0.0;
    double waited = 0.0;  // of these, for data
    std::map<std::string, std::pair<double, int>> values;
  } sums_;
  int skipped_in_a_row_ = 0;
};

}  // namespace mcv::trainer
