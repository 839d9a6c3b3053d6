// The sides that are measured in turn: our own and the peers.
#pragma once

#include <atomic>
#include <map>
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
  virtual const std::string& name() const = 0;
  // Why it cannot do the job, or "".
  virtual std::string Objection(const Job& job) const = 0;
  // One fresh process from its start to its end.
  virtual Result<Measured> Run(const Job& job, const Material& material) const = 0;
};

// Our own: `command` is this program with the sub-command and the model's options; the run's own
// are appended.
std::unique_ptr<Side> MakeOwnSide(std::vector<std::string> command);

struct PeerOptions {
  std::string name = "llama.cpp";        // in tables; a fork is given its own
  std::vector<std::string> prefix;       // before each llama.cpp command: {"chroot", "DIR"}
  std::string path;                      // where the peer sees the model's folder; empty: as we do
  std::vector<std::string> environment;  // NAME=VALUE
  std::string backend;  // file of the one CPU back end that it may load; empty: its own choice
  // More words for its commands, by what they run: "picture", "prefill", "decode".
  std::map<std::string, std::vector<std::string>> words;
  double timeout_seconds = 3600.0;
  const std::atomic<bool>* cancel = nullptr;
};

// Adds what "prefill=-rtr 1" says to options->words. InvalidArgument where it does not begin with
// one of the three names and '='.
Status AddPeerWords(const std::string& text, PeerOptions* options);

struct PeerIdentity {
  std::string name;
  std::string version;  // "0.7.0 (build 11669, commit Debian)"
  std::string backend;  // "libggml-cpu-haswell.so", or empty if it does not say
  std::string words;    // PeerOptions::words as text: "decode: -rtr 1; prefill: -rtr 1"
};

// llama.cpp, or a fork of it, through its llama-bench and llama-mtmd-cli. Asks it first for its
// version, and for the option that puts context before a decode run.
//   InvalidArgument  the model is no GGUF pair, the encoder lies in another folder than the LLM,
//   the
//                    name would not fit a table
//   NotFound         its programs, or the back end's file, are not there
//   IoError          it failed; or it loaded another back end than it should
Result<std::unique_ptr<Side>> FindPeer(const PeerOptions& options, const ModelFacts& model,
                                       PeerIdentity* identity);

}  // namespace mcv::bench
