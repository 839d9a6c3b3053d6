#include "apps/cli/bench/bench_ladder.h"

#include "apps/bench/ladder.h"
#include "apps/bench/limit.h"
#include "apps/bench/workload.h"
#include "apps/cli/bench/bench_names.h"
#include "apps/cli/bench/bench_output.h"
#include "apps/cli/bench/bench_pictures.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/terminal/terminal.h"

namespace mcv::cli {
namespace {

constexpr int64_t kQuestionTokens = 20;
constexpr int64_t kAnswerTokens = 8;

class LadderRun {
 public:
  LadderRun(const BenchOptions& options, const std::string& program)
      : options_(options), output_(options.output, options.resume) {
    if (options_.rounds == 0) options_.rounds = 1;
    if (options_.decode_tokens == 0) options_.decode_tokens = kAnswerTokens;
    results_.settings["program"] = program;
  }

  Status Run() {
    Interrupted();  // installs the handler before the long work
    MCV_RETURN_IF_ERROR(ReadModel());
    MCV_RETURN_IF_ERROR(DrawPicture());
    Describe();
    MCV_RETURN_IF_ERROR(output_.Open(
        [this](const std::string& text) { return bench::TakeEarlierRuns(text, &results_); }));
    const Status measured = Measure();
    // What there is, however it ended.
    if (measured.ok() || !results_.steps.front().runs.empty()) Print();
    return measured;
  }

 private:
  // Opened, looked at and closed again: model_facts.h says why.
  Status ReadModel() {
    MCV_ASSIGN_OR_RETURN(const auto engine, OpenEngine(options_.run));
    model_ = bench::DescribeModel(*engine);
    if (!model_.config.has_vision) {
      return Unsupported("--ladder shows a picture, but the model was opened without an encoder");
    }
    MCV_ASSIGN_OR_RETURN(material_.question,
                         bench::QuestionOfTokens(engine->tokenizer(), kQuestionTokens));
    material_.decode_tokens = options_.decode_tokens;
    material_.timeout_seconds = options_.timeout_seconds;
    material_.cancel = &Interrupted();
    return OkStatus();
  }

  Status DrawPicture() {
    MCV_RETURN_IF_ERROR(pictures_.ChooseFolder(options_.pictures));
    MCV_ASSIGN_OR_RETURN(material_.view_picture, pictures_.Draw(bench::ViewSide(model_.config)));
    return OkStatus();
  }

  void Describe() {
    results_.date = bench::UtcNow();
    results_.machine = bench::DescribeMachine();
    auto& settings = results_.settings;
    settings["model"] = ModelText(model_);
    settings["processor"] = results_.machine["processor"];
    settings["question_tokens"] = std::to_string(kQuestionTokens);
    settings["decode_tokens"] = std::to_string(options_.decode_tokens);
    for (bench::LadderStep& step : bench::LadderSteps(model_.target, options_.run.tuning)) {
      results_.steps.push_back({std::move(step), {}});
    }
  }

  Result<std::vector<std::string>> OwnCommand() const {
    MCV_ASSIGN_OR_RETURN(const std::string program, OwnProgram());
    std::vector<std::string> words = {program, "bench"};
    const RunOptions& run = options_.run;
    for (const auto& [option, value] :
         {std::pair("--model", run.engine.model), std::pair("--mmproj", run.engine.mmproj)}) {
      if (!value.empty()) words.insert(words.end(), {option, value});
    }
    return words;
  }

  Status Measure() {
    MCV_ASSIGN_OR_RETURN(const std::vector<std::string> command, OwnCommand());
    ProgressLine line(ShowsProgress(options_.run.no_progress));
    bench::RunOptions run;
    run.rounds = options_.rounds;
    run.on_progress = ShowOn(&line);
    run.on_result = [this] { return Save(); };
    MCV_RETURN_IF_ERROR(bench::RunLadder(run, material_, command, model_.files, &results_));
    return Save();
  }

  Status Save() const {
    if (!output_.wanted()) return OkStatus();
    return output_.Save(
        {JsonText(ToJson(results_)), bench::LadderText(results_), bench::LadderSvg(results_)});
  }

  void Print() const {
    output_.Print(options_.run.json ? JsonText(ToJson(results_)) : bench::LadderText(results_));
  }

  BenchOptions options_;
  const BenchOutput output_;
  bench::ModelFacts model_;
  bench::LadderResults results_;
  bench::Material material_;
  PictureFiles pictures_;
};

}  // namespace

int RunBenchLadder(const BenchOptions& options, const std::string& program_version) {
  const Status status = LadderRun(options, program_version).Run();
  if (status.ok()) return kExitOk;
  return Fail(status);
}

}  // namespace mcv::cli
