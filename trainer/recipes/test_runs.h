// Runs at toy sizes, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/test_folder.h"
#include "trainer/checkpoint/export.h"
#include "trainer/checkpoint/import.h"
#include "trainer/recipes/trainer.h"

namespace mcv::trainer {

// Of a run in `folder`.
inline TrainConfig ToyConfigIn(const std::filesystem::path& folder) {
  TrainConfig config;
  config.run_dir = folder.string();
  config.vision_width = 64;
  config.vision_layers = 2;
  config.vision_heads = 2;
  config.vision_ffn = 96;
  config.queries = 4;
  config.width = 128;
  config.layers = 2;
  config.heads = 2;
  config.kv_heads = 1;
  config.ffn = 96;
  config.batch = 4;
  config.steps = 6;
  config.warmup = 2;
  config.ramp_steps = 4;
  config.log_every = 2;
  config.stage = "all";
  config.threads = 1;
  config.scene_share = 0.5;
  config.word_share = 0.5;
  return config;
}

inline std::string Bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline Status TrainUntilDone(const TrainConfig& config) {
  MCV_ASSIGN_OR_RETURN(const std::unique_ptr<Trainer> trainer, Trainer::Create(config));
  const std::atomic<bool> stop{false};
  return trainer->Run(stop);
}

// Its folders are of this process alone, and gone afterwards.
class TrainerTest : public testing::Test {
 protected:
  TrainConfig ToyConfig(const std::string& run) const { return ToyConfigIn(folder_ / run); }

  TestFolder folder_{"trainer_test"};
};

inline ExportSource SourceOf(Trainer& trainer, const TrainConfig& config) {
  ExportSource source;
  source.config = trainer.model().model().config();
  source.tokenizer_dir = config.run_dir + "/tokenizer";
  const auto named = trainer.model().model().named_parameters();
  for (const auto& p : named) source.parameters.emplace_back(p.key(), p.value());
  for (const auto& [name, tensor] : trainer.model().Parameters()) {
    if (InParts(name, "aux.")) source.heads.emplace_back(name, tensor);
  }
  return source;
}

}  // namespace mcv::trainer
