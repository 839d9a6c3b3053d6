// A model, opened once and shared by any number of conversations.
//
//   MCV_ASSIGN_OR_RETURN(auto engine, Engine::Open({.model = "llm.gguf"}));
//   MCV_ASSIGN_OR_RETURN(auto session, engine->NewSession());
//   MCV_ASSIGN_OR_RETURN(int picture, session->AddImage(image, {}));
//   MCV_ASSIGN_OR_RETURN(Answer answer, session->Ask({"What is this?", {picture}}, {}, {}));
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/read_ahead.h"
#include "base/status.h"
#include "engine/memory/memory_limit.h"
#include "engine/memory/memory_plan.h"
#include "engine/pictures/encoder_identity.h"
#include "engine/threads/thread_settings.h"
#include "family/config.h"
#include "family/model_files.h"
#include "family/tokenizer/tokenizer.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace mcv {

class PictureCache;
class Scheduler;
class Session;

struct EngineOptions {
  std::string model;  // an HF folder, the LLM's GGUF, or a folder with one
  // Used when `model` is empty.
  std::optional<GgufPairBytes> built_in;
  std::string mmproj;      // the encoder's GGUF; empty: the one beside the LLM that belongs to it
  bool text_only = false;  // do not look for an encoder
  int threads = 0;         // in every stage; 0: `stages`
  // Nothing: what `tuning` says, else one for each core that this process may use.
  std::optional<ThreadSettings> stages;
  // The file that `minicpmv tune` writes: looked at where neither `threads` nor `stages` is given.
  // Empty: none. A file that is missing or unusable changes nothing; the latter is a note.
  std::string tuning;
  std::string target;  // kernels by name; empty: the best that runs here
  Numerics numerics = Numerics::kFast;
  // The encoder's own, the only ones that may be kInt8. Nothing: `numerics`.
  std::optional<Numerics> encoder_numerics;
  // Reads the model's files into memory of this process's own instead of mapping them: nothing
  // comes from the disk later, and nothing is ever given back, the encoder included.
  bool no_mmap = false;
  int64_t context = 0;  // positions; 0: what the model was made for, at most 8192
  // How keys and values are kept: kF32, kF16, kBF16 or kQ8_0. Nothing: kF32 for exact numerics,
  // else kF16.
  std::optional<DType> cache_type;
  std::optional<PositionRule>
      positions;  // kGrid for 2.5: llama.cpp's rule instead of the published
  std::optional<BucketRule> buckets;
  std::optional<int> max_slices;  // fewer than the model's own number saves time and context
  // What may be resident at most, as memory_plan.h counts; 0: no limit. Held by what Open makes
  // smaller (told in notes()) or refuses, and by one session at a time, which refuses pictures and
  // beams that would exceed it. `picture_cache` then keeps no rows in memory beside the session's.
  int64_t memory_limit_bytes = 0;
  // Pictures encoded before, for all sessions; may be shared with other engines. Null: none, and
  // nothing is ever written to the disk.
  std::shared_ptr<PictureCache> picture_cache;
};

// A model opened as far as planning needs: headers are read, no weight is.
struct PlannedRun {
  std::shared_ptr<const void> files;  // keeps open what `model` looks at
  std::string description;            // of the files
  std::string_view target;
  std::vector<std::string> notes;
  MemoryModel model;
  // As a session would have it, the default answer and the largest picture included.
  MemoryRequest request;
  bool context_is_free = false;  // nobody asked for its length
};

// Immutable: any number of threads may use one. Sessions keep it alive.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Everything that can be wrong with files and options is found here.
  static Result<std::shared_ptr<const Engine>> Open(const EngineOptions& options);

  // What Open with these options would work with; memory_limit_bytes is not looked at.
  static Result<PlannedRun> Plan(const EngineOptions& options);

  // A conversation of its own. Sessions may be used by as many threads as there are sessions: they
  // share this engine's threads and buffers (scheduling/scheduler.h). ResourceExhausted under a
  // memory limit while there is another.
  Result<std::unique_ptr<Session>> NewSession() const;

  const ModelConfig& config() const { return config_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const ModelFiles& files() const { return files_; }
  const Weights& weights() const { return weights_; }
  const EngineOptions& options() const { return options_; }
  const KernelTable& kernels() const { return *kernels_; }
  std::string_view target_name() const { return TargetName(*kernels_); }
  // The most that a stage takes.
  int threads() const { return settings_.most_threads(); }
  const ThreadSettings& thread_settings() const { return settings_; }
  // Where they come from, for people: "default", "asked for", "tuned (FILE)".
  const std::string& thread_source() const { return thread_source_; }
  int64_t context_length() const { return context_; }
  DType cache_type() const;
  Numerics encoder_numerics() const;
  // Bytes of cache for one position.
  int64_t cache_bytes_per_position() const;
  double load_seconds() const { return load_seconds_; }
  // Not fatal, worth telling the user.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  Engine(EngineOptions options, ModelFiles files);
  static Result<std::shared_ptr<Engine>> OpenFiles(const EngineOptions& options);
  Status CheckOptions();
  Status ChooseThreads();
  void UseTuning();
  Result<PlannedRun> MakePlan() const;
  Status KeepToLimit();
  Status ReadFiles();
  Status Load();
  // Computed when a picture is first looked for.
  EncoderId encoder_id() const;
  // "2.5 NAME, cache F16, HASH of a sample of every weight": what a saved session belongs to. Taken
  // once: it touches a page of every tensor.
  std::string model_id() const;
  // Reads the files into the system's cache beside everything else, when the first session begins.
  void StartReadingAhead() const;
  // Made for the first session.
  Result<std::shared_ptr<Scheduler>> SharedScheduler() const;
  Result<std::shared_ptr<Scheduler>> MakeScheduler() const;

  EngineOptions options_;
  ModelFiles files_;
  ModelConfig config_;  // the files' with the options applied
  Weights weights_;
  std::unique_ptr<Tokenizer> tokenizer_;
  const KernelTable* kernels_ = nullptr;
  CpuTopology topology_;
  ThreadSettings settings_;
  std::string thread_source_;
  int64_t context_ = 0;
  int64_t batch_tokens_ = kDefaultBatchTokens;
  std::unique_ptr<const MemoryGuard> guard_;  // null without a limit
  // Sessions that are open; shared with them.
  std::shared_ptr<std::atomic<int>> sessions_ = std::make_shared<std::atomic<int>>(0);
  std::vector<std::string> notes_;
  double load_seconds_ = 0.0;
  mutable std::once_flag encoder_id_once_;
  mutable std::once_flag read_ahead_once_;
  mutable std::unique_ptr<ReadAhead> read_ahead_;
  mutable std::mutex scheduler_mutex_;
  mutable std::shared_ptr<Scheduler> scheduler_;
  mutable EncoderId encoder_id_ = {};
  mutable std::once_flag model_id_once_;
  mutable std::string model_id_;
};

}  // namespace mcv
