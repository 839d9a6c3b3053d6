#include "apps/cli/bench/bench_options.h"

#include <CLI/CLI.hpp>
#include <functional>

namespace mcv::cli {
namespace {

void AddModelOptions(CLI::App& app, RunOptions* o) {
  const std::string group = "Model";
  app.add_option("-m,--model", o->engine.model,
                 "HF folder or LLM .gguf (default: $MCV_MODEL, else the built-in nano model)")
      ->group(group);
  app.add_option("--mmproj", o->engine.mmproj,
                 "the encoder's .gguf (default: the one beside the LLM that belongs to it)")
      ->group(group);
  app.add_flag("--text-only", o->engine.text_only, "do not look for an encoder")->group(group);
}

void AddMachineOptions(CLI::App& app, RunOptions* o) {
  const std::string group = "Machine";
  app.add_option("-t,--threads", o->engine.threads,
                 "threads of both sides (default: all this process may use)")
      ->check(CLI::Range(1, 1024))
      ->group(group);
  app.add_option("--target", o->engine.target, "our instruction set by name (default: the best)")
      ->group(group);
  app.add_option("--numerics", o->numerics, "exact or fast (docs/numerics.md)")
      ->check(CLI::IsMember({"exact", "fast"}))
      ->capture_default_str()
      ->group(group);
  app.add_option("--encoder-numerics", o->encoder_numerics,
                 "exact, fast or int8, for the encoder alone (default: as --numerics)")
      ->check(CLI::IsMember({"exact", "fast", "int8"}))
      ->group(group);
}

void AddTableOptions(CLI::App& app, BenchOptions* o) {
  const std::string group = "Table";
  app.add_option("--rows", o->rows,
                 "what to measure: encode, prefill, decode, first-token, memory, load, or single "
                 "rows such as encode@view, prefill@96, decode@1024 (default: all)")
      ->delimiter(',')
      ->group(group);
  app.add_option("--rounds", o->rounds, "runs of each row on each side (default: 3; quick: 1)")
      ->check(CLI::Range(1, 1000))
      ->group(group);
  app.add_option("--decode-tokens", o->decode_tokens,
                 "tokens that a decode row times (default: 32; quick: 8)")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))
      ->group(group);
  app.add_flag("--quick", o->quick, "few rows, one round, short")->group(group);
  app.add_option("--timeout", o->timeout_seconds, "seconds that one run may take")
      ->check(CLI::Range(1.0, 1e6))
      ->capture_default_str()
      ->group(group);
}

void OpenPeer(BenchOptions* o, const std::string& prefix) {
  if (o->peers.empty() || o->peers.back().chosen) o->peers.emplace_back();
  o->peers.back().chosen = true;
  o->peers.back().prefix = prefix;
}

// The peer that an option speaks of: the last one named; before any, the one to come.
PeerChoice& CurrentPeer(BenchOptions* o) {
  if (o->peers.empty()) o->peers.emplace_back();
  return o->peers.back();
}

// Options of a peer mean the --peer before them, so each is looked at when its turn comes.
class PeerOptionAdder {
 public:
  PeerOptionAdder(CLI::App* app, BenchOptions* options) : app_(*app), options_(options) {
    peer_ = app_.add_option_function<std::string>(
        "--peer", [options](const std::string& prefix) { OpenPeer(options, prefix); },
        "measure llama.cpp too; PREFIX goes before its commands (\"chroot DIR\"); again for a "
        "second peer, which the --peer-... options behind it then mean");
    peer_->expected(0, 1)->option_text("[PREFIX]")->trigger_on_parse()->group(kGroup);
  }

  void Once(const std::string& name, std::string PeerChoice::*field, const std::string& help) {
    Add(name, help, [options = options_, name, field](const std::string& value) {
      std::string& place = CurrentPeer(options).*field;
      if (!place.empty()) throw CLI::ValidationError(name, "is given twice for one --peer");
      place = value;
    });
  }

  void Repeatable(const std::string& name, std::vector<std::string> PeerChoice::*field,
                  const std::string& help) {
    Add(name, help, [options = options_, field](const std::string& value) {
      (CurrentPeer(options).*field).push_back(value);
    });
  }

 private:
  static constexpr const char* kGroup = "Peer";

  void Add(const std::string& name, const std::string& help,
           const std::function<void(const std::string&)>& take) {
    app_.add_option_function<std::string>(name, take, help)
        ->trigger_on_parse()
        ->needs(peer_)
        ->group(kGroup);
  }

  CLI::App& app_;
  BenchOptions* options_;
  CLI::Option* peer_;
};

void AddPeerOptions(CLI::App& app, BenchOptions* o) {
  const std::string group = "Peer";
  PeerOptionAdder add(&app, o);
  add.Once("--peer-name", &PeerChoice::name, "what the tables call it (default: llama.cpp)");
  add.Once("--peer-path", &PeerChoice::path, "where the peer sees the model's folder");
  add.Repeatable("--peer-env", &PeerChoice::environment, "NAME=VALUE for the peer (repeatable)");
  add.Once("--peer-backend", &PeerChoice::backend,
           "the one libggml-cpu-*.so that the peer may load, by its path here");
  add.Repeatable("--peer-options", &PeerChoice::words,
                 "more words for its commands: picture=WORDS, prefill=WORDS, decode=WORDS "
                 "(repeatable)");
  app.add_option("--pictures", o->pictures,
                 "folder to draw the pictures into (default: the model's with --peer, which must "
                 "see them; else a temporary one)")
      ->group(group);
}

void AddOutputOptions(CLI::App& app, BenchOptions* o) {
  const std::string group = "Output";
  app.add_flag("--json", o->run.json, "JSON instead of the table")->group(group);
  CLI::Option* output =
      app.add_option("--output", o->output,
                     "folder for results.json, results.md and results.svg, kept up to date")
          ->group(group);
  app.add_flag("--resume", o->resume, "go on from the folder's results.json")
      ->needs(output)
      ->group(group);
  app.add_flag("--no-progress", o->run.no_progress, "no progress line on the terminal")
      ->group(group);
}

// After the options that mean nothing for it.
void AddLadderOptions(CLI::App& app, BenchOptions* o) {
  const std::string group = "Ladder";
  CLI::Option* ladder =
      app.add_flag("--ladder", o->ladder,
                   "instead of the table: what each step of the paper's deployment wins here "
                   "(none, + memory, + compilation, + configuration, + encoder)")
          ->group(group);
  for (const char* other : {"--threads", "--numerics", "--encoder-numerics", "--rows", "--quick",
                            "--peer", "--text-only"}) {
    ladder->excludes(app.get_option(other));
  }
  app.add_option("--tuning", o->run.tuning,
                 "what the step of configuration uses: a file of minicpmv tune, or off (default: "
                 "the user's own)")
      ->option_text("FILE|off")
      ->group(group);
}

}  // namespace

void AddBenchOptions(CLI::App& app, BenchOptions* options) {
  AddModelOptions(app, &options->run);
  AddMachineOptions(app, &options->run);
  AddTableOptions(app, options);
  AddPeerOptions(app, options);
  AddOutputOptions(app, options);
  AddLadderOptions(app, options);
  // An empty group hides them.
  app.add_option("--sample", options->sample)->group("");
  app.add_option("--sample-picture", options->sample_picture)->group("");
  app.add_option("--sample-question", options->sample_question)->group("");
  app.add_flag("--no-mmap", options->run.engine.no_mmap)->group("");
}

}  // namespace mcv::cli
