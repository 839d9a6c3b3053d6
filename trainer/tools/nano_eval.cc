// mcv-nano-eval: answers questions about pictures never trained on and counts the right ones.
//
//   mcv-nano-eval --weights runs/2/checkpoints/<step>/averaged.safetensors --settings
//   runs/2/config.json
//
// Runs the training modules; `minicpmv` on the exported files must give the same answers.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "trainer/checkpoint/import.h"
#include "trainer/recipes/answer.h"
#include "trainer/recipes/config.h"
#include "trainer/recipes/losses.h"
#include "trainer/recipes/score.h"

namespace mcv::trainer {
namespace {

struct EvalOptions {
  std::string weights;
  std::string settings;
  std::string split = "heldout";
  std::string harder_dir;
  ScoreOptions score;
  int threads = 2;
  int examples = 10;
  std::string precision = "auto";
  bool dense = false;  // per-patch accuracy instead of answers
};

Result<Split> FindSplit(const std::string& name) {
  if (name == "train") return Split::kTrain;
  if (name == "heldout") return Split::kHeldOut;
  if (name == "harder") return Split::kHarder;
  return InvalidArgument("--split is train, heldout or harder, not \"" + name + "\"");
}

// Share of labelled patches whose class the auxiliary head gets right.
void PrintDense(TrainedModel& model, DataGenerator& generator, const EvalOptions& options,
                at::ScalarType type) {
  const torch::NoGradGuard guard;
  const Result<Stage> stage = FindStage("encoder");
  double hits[2] = {0, 0};
  int batches[2] = {0, 0};
  for (uint64_t group = 0; batches[0] + batches[1] < 16; ++group) {
    std::vector<Sample> samples;
    const uint64_t size = static_cast<uint64_t>(generator.config().group_size);
    for (uint64_t i = 0; i < size; ++i) {
      samples.push_back(generator.Make(options.score.split, group * size + i));
    }
    const StepBatch batch =
        MakeStepBatch(samples, model.model().config(), nullptr, generator.assets().things().size());
    const Losses losses = ComputeLosses(model, batch, stage.value(), LossWeights(), type);
    hits[batch.scenes ? 0 : 1] += losses.patch_hits.item<double>();
    batches[batch.scenes ? 0 : 1] += 1;
  }
  for (int kind = 0; kind < 2; ++kind) {
    if (batches[kind] == 0) continue;
    std::printf("%s patches right: %.1f%%\n", kind == 0 ? "scene" : "text",
                100.0 * hits[kind] / batches[kind]);
  }
}

Status Run(EvalOptions& options) {
  TrainConfig config;
  MCV_RETURN_IF_ERROR(ReadConfig(options.settings, config));
  MCV_ASSIGN_OR_RETURN(options.score.split, FindSplit(options.split));
  at::set_num_threads(options.threads);
  DataPaths paths;
  paths.harder_emoji_dir = options.harder_dir;
  MCV_ASSIGN_OR_RETURN(const auto assets, DataAssets::Load(paths));
  const std::string tokenizer_dir =
      config.tokenizer_dir.empty()
          ? (std::filesystem::path(options.settings).parent_path() / "tokenizer").string()
          : config.tokenizer_dir;
  MCV_ASSIGN_OR_RETURN(const NanoTokenizer tokenizer, NanoTokenizer::Load(tokenizer_dir));
  TrainedModel model(config.Model(tokenizer.vocabulary_size()), assets->num_patch_classes(),
                     assets->things().size());
  MCV_RETURN_IF_ERROR(ImportWeights(options.weights, "vpm.,resampler.,llm.,aux.",
                                    tokenizer.tokenizer(), model.Parameters()));
  DataConfig data = config.Data(config.steps);
  data.scene_difficulty = options.score.scene_difficulty;
  data.word_difficulty = options.score.word_difficulty;
  // Both kinds must come up, or asking for them would never end.
  data.scene_share = options.score.scenes > 0 ? 1.0 : 0.0;
  data.word_share = options.score.words + options.score.strings > 0 ? 1.0 : 0.0;
  data.line_share = 0.0;
  DataGenerator generator(assets, data);
  MCV_ASSIGN_OR_RETURN(const at::ScalarType type,
                       MatrixType(options.precision, torch::Device(at::kCPU)));
  if (options.dense) {
    PrintDense(model, generator, options, type);
    return OkStatus();
  }
  const ScoreTable table = Score(generator, options.score, [&](const std::vector<Sample>& samples) {
    std::vector<AnswerRequest> requests;
    for (const Sample& sample : samples) {
      for (const Turn& turn : sample.turns) {
        requests.push_back({&sample.picture, turn.question});
      }
    }
    return Answer(model.model(), tokenizer, requests, 48, type);
  });
  std::printf("%s", FormatScores(table).c_str());
  for (size_t i = 0; i < table.examples.size() && i < size_t(options.examples); ++i) {
    const WrongAnswer& wrong = table.examples[i];
    std::printf("wrong: %s | %s | answered: %s\n", wrong.question.c_str(), wrong.truth.c_str(),
                wrong.answer.c_str());
  }
  return OkStatus();
}

}  // namespace
}  // namespace mcv::trainer

int main(int argc, char** argv) {
  mcv::trainer::KeepFreedMemory();
  mcv::trainer::EvalOptions options;
  CLI::App app("Scores the nano model on held-out pictures.", "mcv-nano-eval");
  app.add_option("--weights", options.weights, "safetensors file or HF folder")->required();
  app.add_option("--settings", options.settings, "config.json of the run")->required();
  app.add_option("--split", options.split, "train, heldout or harder");
  app.add_option("--harder-dir", options.harder_dir, "folder of the harder set's emoji");
  app.add_option("--scene-difficulty", options.score.scene_difficulty);
  app.add_option("--word-difficulty", options.score.word_difficulty);
  app.add_option("--scenes", options.score.scenes, "number of scenes");
  app.add_option("--words", options.score.words, "number of words");
  app.add_option("--strings", options.score.strings, "number of strings that are no words");
  app.add_option("--first", options.score.first_index, "index of the first picture");
  app.add_option("--threads", options.threads);
  app.add_option("--examples", options.examples, "wrong answers to show");
  app.add_option("--precision", options.precision, "bf16, fp32 or auto");
  app.add_flag("--dense", options.dense, "score the encoder's patch labels instead");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const mcv::Status status = mcv::trainer::Run(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "mcv-nano-eval: %s\n", status.ToString().c_str());
  return 1;
}
