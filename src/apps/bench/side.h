// The two sides that are measured in turn.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "apps/bench/measured.h"
#include "apps/bench/model_facts.h"
#include "apps/bench/plan.h"
#include "base/status.h"

namespace mcv::bench {

// What every run of a job needs besides the job.
struct Material {
  std::string view_picture;  // paths as this machine sees them
  std::string large_picture;
  std::string question;
  int64_t decode_tokens = 32;
  double timeout_seconds = 3600.0;
  const std::atomic<bool>* cancel = nullptr;
  const std::string& PictureFor(const Job& job) const {
    const bool view = job.kind == JobKind::kView || job.kind == JobKind::kAnswer;
    return view ? view_picture : large_picture;
  }
};

class Side {
 public:
  virtual ~Side() = default;
  virtual bool CanRun(const Job& job) const = 0;
  // One fresh process from its start to its end.
  virtual Result<Measured> Run(const Job& job, const Material& material) const = 0;
};

// Our own: `command` is this program with the sub-command and the model's options; the run's own
// are appended.
std::unique_ptr<Side> MakeOwnSide(std::vector<std::string> command);

struct PeerOptions {
  std::vector<std::string> prefix;       // before each llama.cpp command: {"chroot", "DIR"}
  std::string path;                      // where the peer sees the model's folder; empty: as we do
  std::vector<std::string> environment;  // NAME=VALUE
  std::string backend;  // file of the one CPU back end that it may load; empty: its own choice
  double timeout_seconds = 3600.0;
  const std::atomic<bool>* cancel = nullptr;
};

struct PeerIdentity {
  std::string version;  // "0.7.0 (build 11669, commit Debian)"
  std::string backend;  // "libggml-cpu-haswell.so", or empty if it does not say
};

// llama.cpp through its llama-bench and llama-mtmd-cli. Asks it for its version first.
//   InvalidArgument  the model is no GGUF pair, the encoder lies in another folder than the LLM
//   NotFound         its programs, or the back end's file, are not there
//   IoError          it failed; or it loaded another back end than it should
Result<std::unique_ptr<Side>> FindPeer(const PeerOptions& options, const ModelFacts& model,
                                       PeerIdentity* identity);

}  // namespace mcv::bench
