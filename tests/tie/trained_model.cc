#include "tests/tie/trained_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "trainer/checkpoint/export.h"

namespace mcv::tie {
namespace {

namespace fs = std::filesystem;

// Small, but with everything that could be mixed up: two resampler heads, fewer key heads than
// query heads, sides that are all different.
trainer::TrainConfig TinyConfig(const std::string& run_dir) {
  trainer::TrainConfig config;
  config.run_dir = run_dir;
  config.stage = "all";
  config.precision = "fp32";
  config.vision_width = 64;
  config.vision_layers = 2;
  config.vision_heads = 2;
  config.vision_ffn = 160;
  config.queries = 5;
  config.width = 256;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 2;
  config.ffn = 96;
  config.batch = 8;
  config.steps = 4;
  config.warmup = 2;
  config.lr = 1e-2;
  config.log_every = 4;
  config.threads = 2;
  config.ema = 0.0;
  config.keep_checkpoints = 1;
  return config;
}

void Require(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "the tie tests cannot run: %s\n", status.ToString().c_str());
  std::abort();
}

template <typename T>
T Require(Result<T> result) {
  Require(result.status());
  return *std::move(result);
}

}  // namespace

const char* FormName(Form form) {
  switch (form) {
    case Form::kHfF32:
      return "HfF32";
    case Form::kGgufF32:
      return "GgufF32";
    case Form::kGgufQ8_0:
      return "GgufQ8_0";
  }
  return "";
}

TrainedModel& TrainedModel::Get() {
  static auto* model = new TrainedModel;
  return *model;
}

TrainedModel::TrainedModel()
    : folder_((fs::path(testing::TempDir()) / ("mcv_tie_" + std::to_string(::getpid()))).string()) {
  fs::remove_all(folder_);
  std::atexit([] {
    std::error_code ignored;
    fs::remove_all(Get().folder(), ignored);
  });
  trainer_ = Require(trainer::Trainer::Create(TinyConfig(folder_ + "/run")));
  const std::atomic<bool> stop{false};
  Require(trainer_->Run(stop));
  Export();
}

void TrainedModel::Export() {
  trainer::ExportSource source;
  source.config = config();
  source.tokenizer_dir = folder_ + "/run/tokenizer";
  const auto named = model().named_parameters();
  for (const auto& p : named) source.parameters.emplace_back(p.key(), p.value());
  Require(trainer::ExportHfFolder(source, DType::kF32, PathOf(Form::kHfF32)));
  Require(trainer::ExportGgufPair(source, QuantMix::kF32, PathOf(Form::kGgufF32)));
  Require(trainer::ExportGgufPair(source, QuantMix::kQ8_0, PathOf(Form::kGgufQ8_0)));
}

std::string TrainedModel::PathOf(Form form) const { return folder_ + "/" + FormName(form); }

std::shared_ptr<const Engine> TrainedModel::Open(Form form, Numerics numerics) const {
  EngineOptions options;
  options.model = PathOf(form);
  options.threads = 2;
  options.numerics = numerics;
  return Require(Engine::Open(options));
}

std::unique_ptr<trainer::MiniCpmV> StoredModel(const ModelFiles& files) {
  const torch::NoGradGuard guard;
  auto model = std::make_unique<trainer::MiniCpmV>(files.config());
  std::map<std::string, torch::Tensor> parameters;
  int64_t unset = 0;
  const auto named = model->named_parameters();
  for (const auto& p : named) {
    parameters[p.key()] = p.value();
    unset += p.value().numel();
  }
  for (const TensorSpec& spec : files.tensors()) {
    MCV_CHECK(parameters.contains(spec.hf_name));
    torch::Tensor& target = parameters[spec.hf_name];
    std::vector<float> values = Require(ReadTensor(files, spec));
    const torch::Tensor stored = torch::from_blob(values.data(), {spec.rows, spec.cols});
    if (spec.hf_transposed) {
      target.copy_(stored.t());
    } else {
      target.view({-1, spec.cols}).narrow(0, spec.hf_row_begin, spec.rows).copy_(stored);
    }
    unset -= spec.elements();
  }
  MCV_CHECK(unset == 0);
  return model;
}

}  // namespace mcv::tie
