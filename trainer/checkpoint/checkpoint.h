// Checkpoints of a training run: everything that resuming needs, in a folder that is either whole
// or not there.
//
//   <run>/checkpoints/step-00001200/
//     model.safetensors      parameters, fp32, published names plus "aux."
//     averaged.safetensors   their averages (what evaluation and export use), if there are any
//     optim.safetensors      moments by parameter name
//     state.json             step, pictures seen, seconds, stage, the run's settings
//
//     tokenizer/             whose ids the decoder's weights are about
//
// A checkpoint is written under a name that starts with "tmp-" and renamed when complete. One of
// the same step that is there already is first renamed to "step-...replaced", which counts as a
// checkpoint until the new one has its place: at no moment is there none.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "trainer/checkpoint/weights.h"

namespace mcv::trainer {

// Where a checkpoint has the tokenizer of its weights.
inline constexpr char kTokenizerFolder[] = "tokenizer";

struct RunState {
  int64_t step = 0;             // steps done; also the number of the next batch
  int64_t optimizer_steps = 0;  // fewer, if some were skipped
  int64_t pictures = 0;
  double seconds = 0.0;
  std::string stage;
  std::string config_json;
};

struct CheckpointTensors {
  NamedTensors parameters;
  NamedTensors averages;
  NamedTensors optimizer;
  std::string tokenizer_dir;  // saved along, where there is one; not looked at when loading
};

// Returns the folder's path. Checkpoints of lower steps are removed until `keep` are left with this
// one; those of higher steps are another run's and stay.
Result<std::string> SaveCheckpoint(const std::string& run_dir, const RunState& state,
                                   const CheckpointTensors& tensors, int keep);

// The newest complete checkpoint of a run; NotFound if there is none.
Result<std::string> NewestCheckpoint(const std::string& run_dir);

// Copies into the tensors given. The stage must be the one that was saved.
Result<RunState> LoadCheckpoint(const std::string& folder, const CheckpointTensors& tensors);

Result<RunState> ReadRunState(const std::string& folder);

}  // namespace mcv::trainer
