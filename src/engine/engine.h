// A model, opened once and shared by any number of conversations.
//
//   MCV_ASSIGN_OR_RETURN(auto engine, Engine::Open({.model = "llm.gguf"}));
//   MCV_ASSIGN_OR_RETURN(auto session, engine->NewSession());
//   MCV_ASSIGN_OR_RETURN(int picture, session->AddImage(image, {}));
//   MCV_ASSIGN_OR_RETURN(Answer answer, session->Ask({"What is this?", {picture}}, {}, {}));
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"
#include "model/weights.h"
#include "spec/config.h"
#include "spec/model_files.h"
#include "spec/tokenizer/tokenizer.h"

namespace mcv {

class Session;

struct EngineOptions {
  std::string model;  // an HF folder, the LLM's GGUF, or a folder with one
  // Used when `model` is empty.
  std::optional<GgufPairBytes> built_in;
  std::string mmproj;      // the encoder's GGUF; empty: the one beside the LLM that belongs to it
  bool text_only = false;  // do not look for an encoder
  int threads = 0;         // per session; 0: the processors that this process may run on
  std::string target;      // kernels by name; empty: the best that runs here
  Numerics numerics = Numerics::kFast;
  int64_t context = 0;  // positions; 0: what the model was made for, at most 8192
  // How keys and values are kept: kF32, kF16, kBF16 or kQ8_0. Nothing: kF32 for exact numerics,
  // else kF16.
  std::optional<DType> cache_type;
  std::optional<PositionRule>
      positions;  // kGrid for 2.5: llama.cpp's rule instead of the published
  std::optional<BucketRule> buckets;
  std::optional<int> max_slices;  // fewer than the model's own number saves time and context
};

// Immutable: any number of threads may use one. Sessions keep it alive.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Everything that can be wrong with files and options is found here.
  static Result<std::shared_ptr<const Engine>> Open(const EngineOptions& options);

  // A conversation of its own, with its own threads and cache. ResourceExhausted when the cache
  // does not fit.
  Result<std::unique_ptr<Session>> NewSession() const;

  const ModelConfig& config() const { return config_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const ModelFiles& files() const { return files_; }
  const Weights& weights() const { return weights_; }
  const EngineOptions& options() const { return options_; }
  const KernelTable& kernels() const { return *kernels_; }
  std::string_view target_name() const { return TargetName(*kernels_); }
  int threads() const { return threads_; }
  int64_t context_length() const { return context_; }
  DType cache_type() const;
  // Bytes of cache for one position.
  int64_t cache_bytes_per_position() const;
  double load_seconds() const { return load_seconds_; }
  // Not fatal, worth telling the user.
  const std::vector<std::string>& notes() const { return files_.notes(); }

 private:
  Engine(EngineOptions options, ModelFiles files);
  Status Prepare();

  EngineOptions options_;
  ModelFiles files_;
  ModelConfig config_;  // the files' with the options applied
  Weights weights_;
  std::unique_ptr<Tokenizer> tokenizer_;
  const KernelTable* kernels_ = nullptr;
  int threads_ = 1;
  int64_t context_ = 0;
  double load_seconds_ = 0.0;
};

}  // namespace mcv
