// mcv-nano-export: writes a checkpoint as an HF folder and as a GGUF pair.
//
//   mcv-nano-export --run runs/3 --out models/nano
//
// Takes the newest checkpoint's averaged weights (or --weights).
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/export.h"
#include "trainer/data/bpe_builder.h"
#include "trainer/modules/minicpmv.h"
#include "trainer/recipes/config.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

struct ExportOptions {
  std::string run;
  std::string weights;
  std::string out;
  std::string mix = "q8_0";
  std::string hf_type = "f16";
  bool no_hf = false;
};

Result<std::string> WeightsOf(const ExportOptions& options) {
  if (!options.weights.empty()) return options.weights;
  MCV_ASSIGN_OR_RETURN(const std::string newest, NewestCheckpoint(options.run));
  const fs::path averaged = fs::path(newest) / "averaged.safetensors";
  return fs::exists(averaged) ? averaged.string()
                              : (fs::path(newest) / "model.safetensors").string();
}

Status Run(const ExportOptions& options) {
  TrainConfig config;
  MCV_RETURN_IF_ERROR(ReadConfig((fs::path(options.run) / "config.json").string(), config));
  ExportSource source;
  source.tokenizer_dir = config.tokenizer_dir.empty()
                             ? (fs::path(options.run) / "tokenizer").string()
                             : config.tokenizer_dir;
  MCV_ASSIGN_OR_RETURN(const NanoTokenizer tokenizer, NanoTokenizer::Load(source.tokenizer_dir));
  source.config = config.Model(tokenizer.vocabulary_size());
  MiniCpmV model(source.config);
  for (const auto& p : model.named_parameters()) {
    source.parameters.emplace_back(p.key(), p.value());
  }
  MCV_ASSIGN_OR_RETURN(const std::string weights, WeightsOf(options));
  MCV_RETURN_IF_ERROR(LoadTensors(weights, source.parameters, {{}, {"aux."}}));
  MCV_ASSIGN_OR_RETURN(source.heads, ReadTensors(weights, "aux."));
  MCV_ASSIGN_OR_RETURN(const QuantMix mix, FindQuantMix(options.mix));
  MCV_RETURN_IF_ERROR(ExportGgufPair(source, mix, options.out));
  if (!options.no_hf) {
    const DType type = options.hf_type == "f32" ? DType::kF32 : DType::kF16;
    MCV_RETURN_IF_ERROR(ExportHfFolder(source, type, (fs::path(options.out) / "hf").string()));
  }
  std::printf("exported %s to %s\n", weights.c_str(), options.out.c_str());
  return OkStatus();
}

}  // namespace
}  // namespace mcv::trainer

int main(int argc, char** argv) {
  mcv::trainer::ExportOptions options;
  CLI::App app("Writes a checkpoint as HF folder and GGUF pair.", "mcv-nano-export");
  app.add_option("--run", options.run, "run folder")->required();
  app.add_option("--weights", options.weights, "instead of the newest checkpoint's averages");
  app.add_option("--out", options.out, "folder to write to")->required();
  app.add_option("--mix", options.mix, "types of the GGUF pair: f32, f16, q8_0, ...");
  app.add_option("--hf-type", options.hf_type, "f16 or f32");
  app.add_flag("--no-hf", options.no_hf, "only the GGUF pair");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const mcv::Status status = mcv::trainer::Run(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "mcv-nano-export: %s\n", status.ToString().c_str());
  return 1;
}
