// minicpmv bench: plans the runs, lets each happen in a fresh process (this program again, or
// llama.cpp), and reports. With --sample it is such a process.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <memory>

#include "apps/bench/chart.h"
#include "apps/bench/process.h"
#include "apps/bench/report.h"
#include "apps/bench/results.h"
#include "apps/bench/run.h"
#include "apps/bench/workload.h"
#include "apps/cli/bench/bench_ladder.h"
#include "apps/cli/bench/bench_names.h"
#include "apps/cli/bench/bench_options.h"
#include "apps/cli/bench/bench_output.h"
#include "apps/cli/bench/bench_peers.h"
#include "apps/cli/bench/bench_pictures.h"
#include "apps/cli/commands.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/terminal/terminal.h"

namespace mcv::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kQuestionTokens = 20;

// Why the model cannot give this row, or "".
std::string Objection(const bench::Row& row, int64_t decode_tokens, const bench::ModelFacts& model,
                      bool has_question) {
  const auto too_short = [](int64_t needed, int64_t have) {
    return needed > have ? "needs " + std::to_string(needed) +
                               " positions, the model's context has " + std::to_string(have)
                         : std::string();
  };
  switch (row.kind) {
    case bench::RowKind::kPrefill:
      return too_short(row.tokens, model.config.text.max_positions);
    case bench::RowKind::kDecode:
      return too_short(row.tokens + decode_tokens, model.config.text.max_positions);
    case bench::RowKind::kDecodeMany:
      return too_short(bench::kManyPromptTokens + decode_tokens, model.config.text.max_positions);
    case bench::RowKind::kLoad:
      return "";
    default:
      break;
  }
  if (!model.config.has_vision) return "the model was opened without an encoder";
  if (!has_question) {
    return "no question of " + std::to_string(kQuestionTokens) +
           " tokens was found with this model's tokenizer";
  }
  // Markers around each view, and the frame of the chat.
  const int64_t views =
      row.kind == bench::RowKind::kEncodeView ? 1 : bench::PictureViews(model.config);
  return too_short(views * (model.config.resampler.queries + 8) + 64, model.context);
}

class BenchRun {
 public:
  explicit BenchRun(const BenchOptions& options)
      : options_(options), output_(options.output, options.resume) {
    if (options_.rounds == 0) options_.rounds = options_.quick ? 1 : 3;
    if (options_.decode_tokens == 0) options_.decode_tokens = options_.quick ? 8 : 32;
  }

  int Run() {
    Interrupted();  // installs the handler before the long work
    const Status prepared = Prepare();
    if (!prepared.ok()) return Fail(prepared);
    const Status measured = Measure();
    // What there is, however it ended.
    if (measured.ok() || HasRuns()) Print();
    if (!measured.ok()) return Fail(measured);
    return kExitOk;
  }

 private:
  Status Prepare() {
    MCV_RETURN_IF_ERROR(ReadModel());
    MCV_RETURN_IF_ERROR(PlanRows());
    MCV_ASSIGN_OR_RETURN(peers_, FindPeers(options_, &results_));
    MCV_RETURN_IF_ERROR(DrawPictures());
    DescribeSettings();
    MCV_RETURN_IF_ERROR(output_.Open(
        [this](const std::string& text) { return bench::TakeEarlierRuns(text, &results_); }));
    material_.decode_tokens = options_.decode_tokens;
    material_.timeout_seconds = options_.timeout_seconds;
    material_.cancel = &Interrupted();
    return OkStatus();
  }

  // Opened, looked at and closed again: model_facts.h says why.
  Status ReadModel() {
    MCV_ASSIGN_OR_RETURN(const auto engine, OpenEngine(options_.run));
    results_.model = bench::DescribeModel(*engine);
    const auto question = bench::QuestionOfTokens(engine->tokenizer(), kQuestionTokens);
    if (question.ok()) material_.question = *question;
    return OkStatus();
  }

  Status PlanRows() {
    std::vector<bench::Row> wanted = options_.quick ? bench::QuickRows() : bench::AllRows();
    if (!options_.rows.empty()) {
      MCV_ASSIGN_OR_RETURN(wanted, bench::ParseRows(options_.rows));
    }
    std::vector<bench::Row> rows;
    for (const bench::Row& row : wanted) {
      const std::string why =
          Objection(row, options_.decode_tokens, results_.model, !material_.question.empty());
      if (why.empty()) {
        rows.push_back(row);
      } else {
        results_.notes.push_back(bench::RowKey(row) + ": " + why);
      }
      results_.settings["rows"] += (results_.settings["rows"].empty() ? "" : ",") + RowKey(row);
    }
    if (rows.empty()) {
      std::string why = "no row can be measured with this model";
      for (const std::string& note : results_.notes) why += "\n  " + note;
      return Unsupported(why);
    }
    for (bench::Job& job : bench::JobsFor(rows, results_.model.config.has_vision)) {
      results_.jobs.push_back({std::move(job), {}, {}});
    }
    return OkStatus();
  }

  Status DrawPictures() {
    bool view = false, large = false;
    for (const bench::JobSamples& samples : results_.jobs) {
      if (!bench::NeedsPicture(samples.job)) continue;
      (samples.job.kind == bench::JobKind::kView ? view : large) = true;
    }
    if (!view && !large) return OkStatus();
    std::string folder = options_.pictures;
    if (folder.empty() && !peers_.empty()) {
      folder = fs::absolute(results_.model.text_file).parent_path().string();
    }
    MCV_RETURN_IF_ERROR(pictures_.ChooseFolder(folder));
    const ModelConfig& config = results_.model.config;
    if (view) {
      MCV_ASSIGN_OR_RETURN(material_.view_picture, pictures_.Draw(bench::ViewSide(config)));
    }
    if (large) {
      MCV_ASSIGN_OR_RETURN(material_.large_picture, pictures_.Draw(bench::PictureSide(config)));
    }
    return OkStatus();
  }

  void DescribeSettings() {
    results_.date = bench::UtcNow();
    results_.decode_tokens = options_.decode_tokens;
    results_.machine = bench::DescribeMachine();
    auto& settings = results_.settings;
    settings["program"] = MCV_VERSION;
    settings["model"] = ModelText(results_.model);
    settings["target"] = results_.model.target;
    settings["threads"] = std::to_string(results_.model.threads);
    settings["numerics"] = options_.run.numerics;
    if (!options_.run.encoder_numerics.empty()) {
      settings["encoder_numerics"] = options_.run.encoder_numerics;
    }
    settings["decode_tokens"] = std::to_string(options_.decode_tokens);
    settings["processor"] = results_.machine["processor"];
    DescribePeers(options_, &results_);
  }

  Status Save() const {
    if (!output_.wanted()) return OkStatus();
    return output_.Save(
        {JsonText(ToJson(results_)), bench::ReportText(results_), bench::ChartSvg(results_)});
  }

  Result<std::vector<std::string>> OwnCommand() const {
    MCV_ASSIGN_OR_RETURN(const std::string program, OwnProgram());
    std::vector<std::string> words = {program, "bench"};
    const RunOptions& run = options_.run;
    const auto add = [&](const char* option, const std::string& value) {
      if (!value.empty()) words.insert(words.end(), {option, value});
    };
    add("--model", run.engine.model);
    add("--mmproj", run.engine.mmproj);
    if (run.engine.text_only) words.emplace_back("--text-only");
    add("--threads", std::to_string(results_.model.threads));
    add("--target", results_.model.target);
    add("--numerics", run.numerics);
    add("--encoder-numerics", run.encoder_numerics);
    return words;
  }

  Status Measure() {
    MCV_ASSIGN_OR_RETURN(std::vector<std::string> command, OwnCommand());
    const auto own = bench::MakeOwnSide(std::move(command));
    ProgressLine line(ShowsProgress(options_.run.no_progress));
    bench::RunOptions run;
    run.rounds = options_.rounds;
    run.measure_limits = [this] {
      const bench::ModelFacts& model = results_.model;
      return bench::MeasureLimits(model.threads, options_.quick ? 3 : 20, model.target);
    };
    run.measure_reads = [this] {
      return bench::MeasureReadRate(results_.model.threads, options_.quick ? 0.1 : 1.0);
    };
    run.on_progress = ShowOn(&line);
    run.on_result = [this] { return Save(); };
    std::vector<const bench::Side*> peers;
    for (const auto& peer : peers_) peers.push_back(peer.get());
    MCV_RETURN_IF_ERROR(bench::RunRounds(run, material_, *own, peers, &results_));
    return Save();  // with the last measurement of the limits
  }

  bool HasRuns() const {
    for (const bench::JobSamples& samples : results_.jobs) {
      if (!samples.own.empty()) return true;
      for (const bench::PeerSamples& peer : samples.peers) {
        if (!peer.runs.empty()) return true;
      }
    }
    return false;
  }

  void Print() const {
    output_.Print(options_.run.json ? JsonText(ToJson(results_)) : bench::ReportText(results_));
  }

  BenchOptions options_;
  const BenchOutput output_;
  bench::Results results_;
  bench::Material material_;
  PictureFiles pictures_;
  std::vector<std::unique_ptr<bench::Side>> peers_;
};

// "prefill@96" as JobKey writes it.
Result<bench::WorkloadOptions> ParseSample(const BenchOptions& options) {
  bench::WorkloadOptions work;
  const std::string& name = options.sample;
  const size_t at = name.find('@');
  const std::string kind = name.substr(0, at);
  if (at != std::string::npos) {
    MCV_ASSIGN_OR_RETURN(const auto rows, bench::ParseRows({name}));
    if (rows.size() == 1) work.tokens = rows[0].tokens;
  }
  for (const bench::JobKind known :
       {bench::JobKind::kView, bench::JobKind::kPicture, bench::JobKind::kPictureCold,
        bench::JobKind::kPrefill, bench::JobKind::kDecode, bench::JobKind::kDecodeMany,
        bench::JobKind::kLoad, bench::JobKind::kAnswer}) {
    work.kind = known;
    if (bench::JobKey({known, work.tokens, {}}) == name) {
      work.decode_tokens = options.decode_tokens > 0 ? options.decode_tokens : 1;
      work.picture = options.sample_picture;
      work.question = options.sample_question;
      work.cancel = &Interrupted();
      return work;
    }
  }
  return InvalidArgument("--sample: '" + name + "' is no run of the bench");
}

int RunSample(const BenchOptions& options) {
  Interrupted();
  const auto work = ParseSample(options);
  if (!work.ok()) return Fail(work.status());
  const auto measured = bench::RunWorkload(*work, [&] { return OpenEngine(options.run); });
  if (!measured.ok()) return Fail(measured.status());
  std::cout << ToJson(*measured).dump() << "\n";
  return kExitOk;
}

}  // namespace

void AddBenchCommand(CLI::App& app, CommandChoice* choice) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand(
      "bench", "Measure speed and memory, beside llama.cpp and this machine's limits");
  AddBenchOptions(*command, options.get());
  command->callback([=] {
    if (options->sample.empty() && options->run.engine.no_mmap) {
      throw CLI::ValidationError("--no-mmap",
                                 "the table is measured without it; --ladder shows what it does");
    }
    options->run.picture_cache = "off";  // encoding is to be measured, not remembered
    choice->run = [=] {
      if (options->ladder) return RunBenchLadder(*options, MCV_VERSION);
      return options->sample.empty() ? BenchRun(*options).Run() : RunSample(*options);
    };
  });
}

}  // namespace mcv::cli
