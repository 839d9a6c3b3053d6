// One model as a replay uses it: its files, weights and tokenizer, opened under one position mode.
#pragma once

#include <memory>
#include <string>

#include "apps/parity/goldens.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "family/model_files.h"
#include "family/tokenizer/tokenizer.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace mcv::parity {

struct MachineOptions {
  Numerics numerics = Numerics::kExact;
  std::string target;  // kernels by name; empty: the best
  int threads = 0;     // 0: all processors
};

// Threads and kernels for a whole replay.
class Machine {
 public:
  static Result<std::unique_ptr<Machine>> Create(const MachineOptions& options);
  Context& context() { return context_; }
  ThreadPool& pool() { return pool_; }
  DType cache_type() const {
    return context_.numerics == Numerics::kExact ? DType::kF32 : DType::kF16;
  }

 private:
  explicit Machine(int threads) : pool_(threads) {}
  ThreadPool pool_;
  Context context_;
};

class ModelUnderTest {
 public:
  // Case says which position mode; text-only cases leave it to the model.
  static Result<std::unique_ptr<ModelUnderTest>> Open(const Source& source, const Case& c);
  // True if `Open(source, c)` would give the same.
  bool Fits(const Source& source, const Case& c) const;

  const ModelConfig& config() const { return files_.config(); }
  const ModelFiles& files() const { return files_; }
  const Weights& weights() const { return weights_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  explicit ModelUnderTest(ModelFiles files) : files_(std::move(files)) {}

  ModelFiles files_;
  Weights weights_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::string path_;
  std::optional<PositionRule> positions_;
  BucketRule buckets_ = BucketRule::kFloat32;
};

}  // namespace mcv::parity
