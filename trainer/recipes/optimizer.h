// The optimiser: AdamW, or Muon for the matrices inside layers and AdamW for the rest.
//
// Muon (Jordan 2024) replaces a matrix's momentum by the nearest matrix with all singular values
// near one (five Newton-Schulz steps), so every direction of the weight learns at the same pace.
// The update is scaled by 0.2 * sqrt(larger side), which gives it the size of an AdamW update: one
// learning rate serves both. State is kept by parameter name, in fp32.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "trainer/compat.h"

namespace mcv::trainer {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

struct OptimizerOptions {
  bool muon = true;
  double weight_decay = 0.05;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double momentum = 0.95;
  double epsilon = 1e-8;
  double clip = 1.0;
  double ema = 0.0;
  at::ScalarType matrix_type = at::kFloat;  // in which Muon multiplies
};

class Optimizer {
 public:
  // Keeps handles to the parameters; those without a gradient at Step are left alone.
  Optimizer(std::vector<NamedTensor> parameters, const OptimizerOptions& options);

  struct StepReport {
    double gradient_norm = 0.0;
    bool skipped = false;  // the norm was not finite: nothing was changed
  };
  // Clips, updates, drops the gradients.
  StepReport Step(double rate);

  int64_t steps() const { return steps_; }
  // Moments as "<parameter>.m", "<parameter>.v" and averages as "<parameter>.ema"; the tensors
  // alias the optimiser's own.
  std::vector<NamedTensor> State() const;
  void SetSteps(int64_t steps) { steps_ = steps; }
  // Starts the averages at the parameters' present values (after weights were loaded from
  // elsewhere).
  void ResetAverages();
  // The averaged weight of a parameter, or the parameter itself where there is no average.
  Tensor Averaged(const std::string& name) const;

 private:
  struct Slot {
    std::string name;
    Tensor parameter;
    Tensor m;
    Tensor v;    // AdamW only
    Tensor ema;  // undefined without averaging
    bool muon = false;
    double decay = 0.0;
  };
  void StepAdamW(Slot& slot, double rate, double gradient_scale);
  // The same with libtorch's operations, for parameters that are not in main memory.
  void StepAdamWOnDevice(Slot& slot, double rate, double gradient_scale);
  void StepMuon(const std::vector<Slot*>& slots, double rate, double gradient_scale);

  OptimizerOptions options_;
  std::vector<Slot> slots_;
  std::map<std::string, size_t> index_;
  int64_t steps_ = 0;
};

// Each matrix of a batch [n, rows, columns], rows <= columns, moved to singular values near one.
Tensor Orthogonalise(const Tensor& matrices, at::ScalarType type);

}  // namespace mcv::trainer
