#include <algorithm>
#include <filesystem>

#include "apps/bench/peer_output.h"
#include "apps/bench/process.h"
#include "apps/bench/side.h"

namespace mcv::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWordsFor[] = {"picture", "prefill", "decode"};

const char* WordsKey(const Job& job) {
  if (NeedsPicture(job)) return kWordsFor[0];
  return job.kind == JobKind::kPrefill ? kWordsFor[1] : kWordsFor[2];
}

// How shells and chroot say that there is no such program, or that it cannot be run.
bool IsMissing(const ProcessResult& done) { return done.exit_code == 126 || done.exit_code == 127; }

class Peer final : public Side {
 public:
  Peer(PeerOptions options, const ModelFacts& model)
      : options_(std::move(options)),
        folder_(fs::absolute(model.text_file).parent_path()),
        threads_(std::to_string(model.threads)),
        llm_(Seen(model.text_file)),
        mmproj_(Seen(model.vision_file)) {}

  Status HideOtherBackends();
  Result<PeerIdentity> Identify() const;
  Status LearnDepthOption();

  const std::string& name() const override { return options_.name; }

  std::string Objection(const Job& job) const override {
    if (job.kind == JobKind::kLoad) return "only its runs with a picture could tell";
    if (job.kind == JobKind::kDecode && job.tokens > 0 && depth_option_.empty()) {
      return "its llama-bench has no option for context before a decode run";
    }
    return "";
  }

  Result<Measured> Run(const Job& job, const Material& material) const override {
    if (job.kind == JobKind::kDecodeMany) return DecodeMany(job, material);
    return NeedsPicture(job) ? ShowPicture(job, material) : RunText(job, material);
  }

 private:
  void AddWords(const Job& job, std::vector<std::string>* words) const {
    const auto found = options_.words.find(WordsKey(job));
    if (found == options_.words.end()) return;
    words->insert(words->end(), found->second.begin(), found->second.end());
  }

  // A path as the peer sees it: below the model's folder it is another one.
  std::string Seen(const std::string& path) const {
    if (options_.path.empty() || path.empty()) return path;
    const fs::path below = fs::absolute(path).lexically_relative(folder_);
    if (below.empty() || *below.begin() == "..") return path;
    return (fs::path(options_.path) / below).string();
  }

  Result<ProcessResult> RunCommand(const std::vector<std::string>& words, double timeout) const {
    ProcessOptions process;
    process.arguments = options_.prefix;
    process.arguments.insert(process.arguments.end(), words.begin(), words.end());
    process.environment = options_.environment;
    process.hidden_files = hidden_;
    process.timeout_seconds = timeout;
    process.cancel = options_.cancel;
    const Result<ProcessResult> done = RunProcess(process);
    if (!done.ok() && done.status().code() != StatusCode::kNotFound) return done.status();
    if (done.ok() && !IsMissing(*done)) return done;
    const std::string why = done.ok()
                                ? CommandText(process.arguments) +
                                      ": cannot be run: " + Tail(done->errors + done->output, 300)
                                : done.status().message();
    return NotFound(why +
                    " (install llama.cpp, or say with --peer what goes before its commands; "
                    "docs/howto/measure.md)");
  }

  Result<ProcessResult> RunToSuccess(const std::vector<std::string>& words, double timeout) const {
    MCV_ASSIGN_OR_RETURN(ProcessResult done, RunCommand(words, timeout));
    if (done.exit_code == 0) return done;
    return IoError(CommandText(words) + "\nof " + name() + " failed with exit status " +
                   std::to_string(done.exit_code) +
                   " (if it does not see the files: --peer-path):\n" +
                   Tail(done.errors + done.output));
  }

  // What llama-bench is to time. `generated` are the tokens of a decode run.
  std::vector<std::string> TestWords(const Job& job, const std::string& generated) const {
    const std::string tokens = std::to_string(job.tokens);
    if (job.kind == JobKind::kPrefill) return {"-p", tokens, "-n", "0"};
    if (job.tokens == 0) return {"-p", "0", "-n", generated};
    if (depth_option_ == "-gp") return {"-p", "0", "-n", "0", "-gp", tokens + "," + generated};
    return {"-p", "0", "-n", generated, depth_option_, tokens};
  }

  Result<Measured> RunText(const Job& job, const Material& material) const {
    const bool prefill = job.kind == JobKind::kPrefill;
    const int64_t prompt = prefill || depth_option_ == "-gp" ? job.tokens : 0;
    const int64_t generated = prefill ? 0 : material.decode_tokens;
    std::vector<std::string> words = {"llama-bench", "-m", llm_, "-t",  threads_,
                                      "-r",          "1",  "-o", "json"};
    const auto test = TestWords(job, std::to_string(generated));
    words.insert(words.end(), test.begin(), test.end());
    AddWords(job, &words);
    MCV_ASSIGN_OR_RETURN(const ProcessResult done, RunToSuccess(words, material.timeout_seconds));
    Measured measured;
    MCV_ASSIGN_OR_RETURN(measured.tokens_per_second,
                         ParseLlamaBench(done.output, prompt, generated));
    measured.wall_seconds = done.wall_seconds;
    measured.peak_resident_bytes = done.peak_resident_bytes;
    return measured;
  }

  Result<Measured> DecodeMany(const Job& job, const Material& material) const {
    const int64_t positions = job.tokens * (kManyPromptTokens + material.decode_tokens);
    std::vector<std::string> words = {
        "llama-batched-bench",    "-m", llm_, "-t", threads_, "--output-format", "jsonl", "-c",
        std::to_string(positions)};
    for (const auto& [option, value] : {std::pair{"-npp", kManyPromptTokens},
                                        {"-ntg", material.decode_tokens},
                                        {"-npl", job.tokens}}) {
      words.insert(words.end(), {option, std::to_string(value)});
    }
    AddWords(job, &words);
    MCV_ASSIGN_OR_RETURN(const ProcessResult done, RunToSuccess(words, material.timeout_seconds));
    Measured measured;
    MCV_ASSIGN_OR_RETURN(measured.tokens_per_second, ParseBatchedBench(done.output, job.tokens));
    measured.wall_seconds = done.wall_seconds;
    measured.peak_resident_bytes = done.peak_resident_bytes;
    return measured;
  }

  Result<Measured> ShowPicture(const Job& job, const Material& material) const {
    std::vector<std::string> words = {"llama-mtmd-cli",
                                      "-m",
                                      llm_,
                                      "--mmproj",
                                      mmproj_,
                                      "--image",
                                      Seen(material.PictureFor(job)),
                                      "-p",
                                      material.question,
                                      "-n",
                                      "1",
                                      "-t",
                                      threads_,
                                      "--temp",
                                      "0",
                                      "--no-warmup"};
    AddWords(job, &words);
    MCV_ASSIGN_OR_RETURN(const ProcessResult done, RunToSuccess(words, material.timeout_seconds));
    MCV_ASSIGN_OR_RETURN(Measured measured, ParseMtmdLog(done.output + "\n" + done.errors));
    measured.wall_seconds = done.wall_seconds;
    measured.peak_resident_bytes = done.peak_resident_bytes;
    return measured;
  }

  PeerOptions options_;
  fs::path folder_;
  std::vector<std::string> hidden_;
  std::string threads_, llm_, mmproj_, depth_option_;
};

// It loads whichever back end of its folder suits the processor best; so there must be only one.
Status Peer::HideOtherBackends() {
  if (options_.backend.empty()) return OkStatus();
  std::error_code error;
  if (!fs::is_regular_file(options_.backend, error)) {
    return NotFound("--peer-backend: " + options_.backend +
                    " is no file; expected the path, as this machine sees it, of one of the "
                    "peer's libggml-cpu-*.so");
  }
  const fs::path wanted = fs::absolute(options_.backend);
  for (const auto& entry : fs::directory_iterator(wanted.parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("libggml-cpu") && name != wanted.filename()) {
      hidden_.push_back(entry.path().string());
    }
  }
  if (error) return IoError(wanted.parent_path().string() + ": " + error.message());
  return OkStatus();
}

constexpr double kSecondsToAnswer = 60.0;

Status Peer::LearnDepthOption() {
  const double timeout = std::min(options_.timeout_seconds, kSecondsToAnswer);
  MCV_ASSIGN_OR_RETURN(const ProcessResult done, RunCommand({"llama-bench", "--help"}, timeout));
  depth_option_ = ParseDepthOption(done.output + "\n" + done.errors);
  return OkStatus();
}

Result<PeerIdentity> Peer::Identify() const {
  const double timeout = std::min(options_.timeout_seconds, kSecondsToAnswer);
  PeerIdentity identity;
  identity.name = name();
  for (const auto& [key, words] : options_.words) {
    identity.words += (identity.words.empty() ? "" : "; ") + key + ": " + CommandText(words);
  }
  MCV_ASSIGN_OR_RETURN(const ProcessResult bench,
                       RunCommand({"llama-bench", "--version"}, timeout));
  MCV_ASSIGN_OR_RETURN(const ProcessResult cli,
                       RunCommand({"llama-mtmd-cli", "--version"}, timeout));
  const std::string told = bench.errors + bench.output + "\n" + cli.errors + cli.output;
  identity.version = ParseVersion(told);
  identity.backend = ParseBackend(told);
  if (identity.version.empty()) {
    return IoError(name() +
                   " does not tell its version; llama-bench --version and llama-mtmd-cli "
                   "--version ended with exit status " +
                   std::to_string(bench.exit_code) + " and " + std::to_string(cli.exit_code) +
                   ":\n" + Tail(told));
  }
  const std::string wanted = fs::path(options_.backend).filename().string();
  if (!wanted.empty() && identity.backend != wanted) {
    return IoError(name() + " was to load " + wanted + " only, but it " +
                   (identity.backend.empty() ? "names no back end" : "loaded " + identity.backend));
  }
  return identity;
}

// It becomes a column and a key.
Status CheckName(const std::string& name) {
  constexpr size_t kLongest = 20;
  const bool plain = name.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789._+-") == std::string::npos;
  if (!name.empty() && name.size() <= kLongest && plain && name != "minicpmv") return OkStatus();
  return InvalidArgument("--peer-name: '" + name + "' cannot name a peer; expected up to " +
                         std::to_string(kLongest) + " letters, digits and . _ + -, not 'minicpmv'");
}

Status CheckModel(const PeerOptions& options, const ModelFacts& model) {
  if (model.text_file.empty()) {
    return InvalidArgument(
        "--peer needs a model that llama.cpp can open: give the LLM's .gguf with --model (" +
        model.described + " is none)");
  }
  const auto folder = [](const std::string& path) { return fs::absolute(path).parent_path(); };
  if (!options.path.empty() && !model.vision_file.empty() &&
      folder(model.text_file) != folder(model.vision_file)) {
    return InvalidArgument("--peer-path stands for one folder, but " + model.text_file + " and " +
                           model.vision_file + " lie in two");
  }
  return OkStatus();
}

}  // namespace

Status AddPeerWords(const std::string& text, PeerOptions* options) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  const bool known =
      std::find(std::begin(kWordsFor), std::end(kWordsFor), key) != std::end(kWordsFor);
  if (equals == std::string::npos || !known) {
    return InvalidArgument("--peer-options: '" + text +
                           "' was given; expected picture=WORDS, prefill=WORDS or decode=WORDS");
  }
  const auto words = SplitCommand(text.substr(equals + 1));
  if (!words.ok()) return words.status().Annotate("--peer-options: " + key);
  auto& all = options->words[key];
  all.insert(all.end(), words->begin(), words->end());
  return OkStatus();
}

Result<std::unique_ptr<Side>> FindPeer(const PeerOptions& options, const ModelFacts& model,
                                       PeerIdentity* identity) {
  MCV_RETURN_IF_ERROR(CheckName(options.name));
  MCV_RETURN_IF_ERROR(CheckModel(options, model));
  auto peer = std::make_unique<Peer>(options, model);
  MCV_RETURN_IF_ERROR(peer->HideOtherBackends());
  MCV_ASSIGN_OR_RETURN(*identity, peer->Identify());
  MCV_RETURN_IF_ERROR(peer->LearnDepthOption());
  return std::unique_ptr<Side>(std::move(peer));
}

}  // namespace mcv::bench
