// mcv-nano-accuracy: how often a model is right about pictures that it was never trained on.
//
//   mcv-nano-accuracy                       the shipped model, 500 scenes, words and strings each
//   mcv-nano-accuracy --model DIR --count 2000 --json
//
// Draws the pictures, asks the engine as a program would that uses it, and prints the table that
// models/README.md quotes. The same numbers every time.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/cli/terminal/terminal.h"
#include "bench/accuracy.h"

namespace mcv::bench {
namespace {

struct Arguments {
  std::string model = MCV_SOURCE_DIR "/models/nano";
  std::string split = "held-out";
  std::string harder_dir;
  int count = 500;
  int wrong = 0;
  bool json = false;
  bool exact = false;
  std::string encoder_numerics;
  std::string write;  // a folder: the questions are written there, not asked
  AccuracyOptions options;
};

Status ApplySplit(Arguments& arguments) {
  const std::map<std::string, trainer::Split> splits = {{"held-out", trainer::Split::kHeldOut},
                                                        {"harder", trainer::Split::kHarder},
                                                        {"train", trainer::Split::kTrain}};
  const auto found = splits.find(arguments.split);
  if (found == splits.end()) {
    return InvalidArgument("--split is held-out, harder or train, not \"" + arguments.split + "\"");
  }
  arguments.options.split = found->second;
  arguments.options.scenes = arguments.options.words = arguments.options.strings = arguments.count;
  if (found->second == trainer::Split::kHarder) {
    arguments.options.words = arguments.options.strings = 0;
    if (arguments.harder_dir.empty()) {
      return InvalidArgument(
          "--split harder draws another emoji design: name its folder of PNG files with "
          "--harder-dir (trainer/data/harder_set.sh fetches one)");
    }
  }
  return OkStatus();
}

void PrintJson(const Arguments& arguments, const Engine& engine, const AccuracyReport& report) {
  nlohmann::ordered_json json;
  json["model"] = engine.files().Describe();
  json["split"] = arguments.split;
  json["scenes"] = arguments.options.scenes;
  json["words"] = arguments.options.words;
  json["strings"] = arguments.options.strings;
  json["seed"] = arguments.options.seed;
  json["first"] = arguments.options.first;
  json["scene_difficulty"] = arguments.options.scene_difficulty;
  json["word_difficulty"] = arguments.options.word_difficulty;
  json["true_no"] = report.true_no;
  json["different_things"] = report.different_things;
  for (const AccuracyRow& row : report.rows) {
    json["rows"].push_back({{"name", row.name},
                            {"questions", row.questions},
                            {"exact", row.exact},
                            {"partial", row.partial},
                            {"exact_guess", row.exact_guess},
                            {"partial_guess", row.partial_guess}});
  }
  std::printf("%s\n", json.dump(1).c_str());
}

void PrintWrong(const std::vector<AskedQuestion>& questions, int most) {
  for (const AskedQuestion& question : questions) {
    if (most <= 0) return;
    if (question.answer == question.turn.answer) continue;
    std::printf("%s | %s | answered: %s\n", question.turn.question.c_str(),
                question.turn.answer.c_str(), question.answer.c_str());
    --most;
  }
}

Status Run(Arguments& arguments) {
  MCV_RETURN_IF_ERROR(ApplySplit(arguments));
  trainer::DataPaths paths;
  paths.harder_emoji_dir = arguments.harder_dir;
  MCV_ASSIGN_OR_RETURN(const auto assets, trainer::DataAssets::Load(paths));
  if (!arguments.write.empty()) {
    return WriteQuestions(assets, arguments.options, arguments.write);
  }
  EngineOptions engine_options;
  engine_options.model = arguments.model;
  engine_options.threads = 1;  // pictures run side by side instead
  if (arguments.exact) engine_options.numerics = Numerics::kExact;
  engine_options.encoder_numerics = NumericsNamed(arguments.encoder_numerics);
  MCV_ASSIGN_OR_RETURN(const std::shared_ptr<const Engine> engine, Engine::Open(engine_options));

  cli::ProgressLine line(cli::ShowsProgress(arguments.json));
  const auto start = std::chrono::steady_clock::now();
  arguments.options.on_progress = [&](int64_t done, int64_t total) {
    const double spent =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double left = done > 0 ? spent / double(done) * double(total - done) : 0.0;
    line.Show("asking about pictures", done, total, left);
  };
  MCV_ASSIGN_OR_RETURN(const std::vector<AskedQuestion> questions,
                       AskAll(*engine, assets, arguments.options));
  line.Wipe();
  const AccuracyReport report = Summarise(questions);
  if (arguments.json) {
    PrintJson(arguments, *engine, report);
    return OkStatus();
  }
  std::printf("%s", ToText(report).c_str());
  PrintWrong(questions, arguments.wrong);
  return OkStatus();
}

}  // namespace
}  // namespace mcv::bench

int main(int argc, char** argv) {
  mcv::bench::Arguments arguments;
  CLI::App app("Counts right answers on pictures never trained on.", "mcv-nano-accuracy");
  app.add_option("--model", arguments.model, "folder or LLM file (default: the shipped model)");
  app.add_option("--count", arguments.count, "scenes, and as many words and strings (default 500)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--split", arguments.split, "held-out (default), harder or train");
  app.add_option("--harder-dir", arguments.harder_dir, "PNG files of another emoji design");
  app.add_option("--seed", arguments.options.seed, "of the pictures");
  app.add_option("--first", arguments.options.first,
                 "index of the first picture, for fresh ones (default 0)");
  app.add_option("--scene-difficulty", arguments.options.scene_difficulty, "0 to 1 (default 1)");
  app.add_option("--word-difficulty", arguments.options.word_difficulty, "0 to 1 (default 0)");
  app.add_option("--threads", arguments.options.threads, "pictures at a time (default: all)");
  app.add_option("--wrong", arguments.wrong, "show so many wrong answers");
  app.add_flag("--exact", arguments.exact, "fp32 arithmetic instead of the engine's default");
  app.add_option("--encoder-numerics", arguments.encoder_numerics, "exact, fast or int8")
      ->check(CLI::IsMember({"exact", "fast", "int8"}));
  app.add_option("--write", arguments.write,
                 "write pictures and questions.tsv into this folder instead of asking")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--json", arguments.json, "for programs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const mcv::Status status = mcv::bench::Run(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "mcv-nano-accuracy: %s\n", status.ToString().c_str());
  return 1;
}
