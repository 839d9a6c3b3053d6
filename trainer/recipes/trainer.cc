#include "trainer/recipes/trainer.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file_writer.h"
#include "trainer/checkpoint/import.h"
#include "trainer/checkpoint/weights_tokenizer.h"
#include "trainer/recipes/places.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

// After so many steps with a non-finite gradient in a row, going on would only waste time.
constexpr int kMostSkipped = 20;
// Pictures that the first patch embedding is fitted to.
constexpr int kWhiteningBatches = 16;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string Clock(double seconds) {
  char text[32];
  const long whole = static_cast<long>(seconds);
  std::snprintf(text, sizeof(text), "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  return text;
}

}  // namespace

Result<std::unique_ptr<Trainer>> Trainer::Create(const TrainConfig& config) {
  std::unique_ptr<Trainer> trainer(new Trainer(config));
  MCV_RETURN_IF_ERROR(trainer->Setup());
  return trainer;
}

Status Trainer::Setup() {
  MCV_RETURN_IF_ERROR(CheckConfig(config_));
  MCV_ASSIGN_OR_RETURN(stage_, FindStage(config_.stage));
  MCV_RETURN_IF_ERROR(FindStart());
  std::error_code error;
  fs::create_directories(config_.run_dir, error);
  if (error) return IoError(config_.run_dir + ": cannot make the folder: " + error.message());
  MCV_ASSIGN_OR_RETURN(type_, MatrixType(config_.precision, torch::Device(config_.device)));
  config_.precision = PrecisionName(type_);
  at::set_num_threads(config_.threads);
  torch::manual_seed(static_cast<uint64_t>(config_.seed));
  MCV_ASSIGN_OR_RETURN(assets_, DataAssets::Load(DataPaths{}));
  MCV_RETURN_IF_ERROR(MakeTokenizer());
  model_config_ = config_.Model(tokenizer_->vocabulary_size());
  model_ = std::make_shared<TrainedModel>(model_config_, assets_->num_patch_classes(),
                                          assets_->things().size());
  schedule_.shape =
      config_.schedule == "cosine" ? Schedule::Shape::kCosine : Schedule::Shape::kFlat;
  schedule_.steps = config_.steps;
  schedule_.warmup = config_.warmup;
  schedule_.peak = config_.lr;
  schedule_.floor_share = config_.min_lr_share;
  schedule_.decay_share = config_.decay_share;
  MCV_RETURN_IF_ERROR(StartWeights());
  MCV_RETURN_IF_ERROR(TrimLog());
  return WriteFile((fs::path(config_.run_dir) / "config.json").string(), ConfigToJson(config_));
}

Status Trainer::FindStart() {
  const Result<std::string> newest = NewestCheckpoint(config_.run_dir);
  if (newest.status().code() == StatusCode::kNotFound) return OkStatus();
  MCV_RETURN_IF_ERROR(newest.status());
  start_ = newest.value();
  if (!config_.resume) {
    return InvalidArgument(start_ +
                           ": this run folder has checkpoints of an earlier run; go on from them "
                           "with --resume, or name another folder with --run-dir");
  }
  MCV_ASSIGN_OR_RETURN(const RunState saved, ReadRunState(start_));
  if (saved.stage != config_.stage) {
    return InvalidArgument(start_ + " is of stage \"" + saved.stage + "\"; to start stage \"" +
                           config_.stage + "\" from its weights use --init and another run folder");
  }
  TrainConfig settings;
  MCV_RETURN_IF_ERROR(ParseConfig(saved.config_json, start_ + "/state.json", settings));
  if (config_.precision == "auto") config_.precision = settings.precision;
  return CheckSameRun(settings, config_, start_);
}

Status Trainer::TrimLog() const {
  const std::string path = (fs::path(config_.run_dir) / "log.jsonl").string();
  std::ifstream log(path);
  std::string kept;
  for (std::string line; std::getline(log, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    // What was being written when the run was killed is no whole line.
    if (!json.is_object() || json.value("step", int64_t{0}) > state_.step) continue;
    kept += line + "\n";
  }
  return log.is_open() ? WriteFile(path, kept) : OkStatus();
}

Status Trainer::MakeTokenizer() {
  tokenizer_dir_ = config_.tokenizer_dir;
  if (tokenizer_dir_.empty()) {
    tokenizer_dir_ = (fs::path(config_.run_dir) / kTokenizerFolder).string();
    std::error_code error;
    // A run that goes on keeps its own, whatever the generator has learned to say since.
    if (start_.empty() || !fs::exists(fs::path(tokenizer_dir_) / "tokenizer.json", error)) {
      MCV_RETURN_IF_ERROR(BuildNanoTokenizer(*assets_, tokenizer_dir_));
    }
  }
  MCV_ASSIGN_OR_RETURN(NanoTokenizer tokenizer, NanoTokenizer::Load(tokenizer_dir_));
  tokenizer_ = std::make_unique<NanoTokenizer>(std::move(tokenizer));
  return OkStatus();
}

void Trainer::MakeOptimizer() {
  // Before the optimiser takes its handles; from here on the weights live where they are trained.
  model_->to(torch::Device(config_.device));
  std::vector<NamedTensor> trained;
  for (auto& [name, tensor] : model_->Parameters()) {
    tensor.set_requires_grad(stage_.Trains(name));
    if (stage_.Trains(name)) trained.push_back({name, tensor});
  }
  OptimizerOptions options;
  options.muon = config_.optimizer == "muon";
  options.weight_decay = config_.weight_decay;
  options.beta1 = config_.beta1;
  options.beta2 = config_.beta2;
  options.momentum = config_.momentum;
  options.clip = config_.clip;
  options.ema = config_.ema;
  options.matrix_type = type_;
  optimizer_ = std::make_unique<Optimizer>(std::move(trained), options);
}

CheckpointTensors Trainer::Tensors() const {
  CheckpointTensors tensors;
  tensors.tokenizer_dir = tokenizer_dir_;
  tensors.parameters = model_->Parameters();
  for (const NamedTensor& t : optimizer_->State()) tensors.optimizer.emplace_back(t.name, t.tensor);
  if (config_.ema > 0.0) {
    for (const auto& [name, tensor] : tensors.parameters) {
      tensors.averages.emplace_back(name,
                                    stage_.Trains(name) ? optimizer_->Averaged(name) : tensor);
    }
  }
  return tensors;
}

Status Trainer::StartWeights() {
  state_.stage = config_.stage;
  state_.config_json = ConfigToJson(config_);
  if (!start_.empty()) return LoadStart();
  if (!config_.init.empty()) {
    MCV_RETURN_IF_ERROR(ImportWeights(config_.init, config_.init_parts, tokenizer_->tokenizer(),
                                      model_->Parameters()));
  } else {
    MCV_RETURN_IF_ERROR(InitialisePatches());
  }
  if (config_.init.empty() || !InParts("resampler.", config_.init_parts)) {
    model_->model().resampler().InitialiseLooking(
        SpreadPlaces(GridShares(config_.Data(config_.steps)), config_.queries));
  }
  MakeOptimizer();
  return OkStatus();
}

Status Trainer::LoadStart() {
  // Checkpoints made before they held a tokenizer have the run's, which is the one in use.
  MCV_ASSIGN_OR_RETURN(const auto weights_tokenizer,
                       TokenizerOfWeights((fs::path(start_) / "model.safetensors").string()));
  MCV_RETURN_IF_ERROR(CheckSameTokenizer(*weights_tokenizer, tokenizer_->tokenizer(), start_));
  MakeOptimizer();
  MCV_ASSIGN_OR_RETURN(const RunState loaded, LoadCheckpoint(start_, Tensors()));
  state_.step = loaded.step;
  state_.pictures = loaded.pictures;
  state_.seconds = loaded.seconds;
  optimizer_->SetSteps(loaded.optimizer_steps);
  std::printf("resumed %s\n", start_.c_str());
  return OkStatus();
}

Status Trainer::InitialisePatches() {
  DataConfig data = config_.Data(config_.steps);
  DataGenerator generator(assets_, data);
  std::vector<Tensor> patches;
  for (int b = 0; b < kWhiteningBatches; ++b) {
    std::vector<Sample> samples;
    for (int i = 0; i < std::min(32, config_.batch); ++i) {
      samples.push_back(
          generator.Make(Split::kTrain, static_cast<uint64_t>(b) * config_.batch + i));
    }
    patches.push_back(
        MakeStepBatch(samples, model_config_, nullptr, assets_->things().size()).pictures.patches);
  }
  model_->model().vpm().InitialiseFrom(torch::cat(patches, 0));
  return OkStatus();
}

Batch Trainer::NextBatch() {
  // New settings need a new loader; a batch is a function of its number and the settings, so
  // resuming inside a level draws the same ones.
  const int level = config_.RampLevel(state_.step);
  if (loader_ == nullptr || level != loader_level_) {
    Loader::Options options;
    options.first_batch = static_cast<uint64_t>(state_.step);
    options.num_threads = config_.loader_threads;
    loader_.reset();
    loader_ = std::make_unique<Loader>(assets_, config_.Data(state_.step), options);
    loader_level_ = level;
  }
  return loader_->Next();
}

void Trainer::Step(const StepBatch& batch) {
  LossWeights weights;
  weights.dense = stage_.answer_loss ? config_.dense_weight : 1.0;
  weights.place = config_.place_weight;
  weights.number = config_.number_weight;
  weights.presence = config_.presence_weight;
  const Losses losses = ComputeLosses(*model_, batch, stage_, weights, type_);
  losses.total.backward();
  const Optimizer::StepReport report = optimizer_->Step(schedule_.Rate(state_.step));
  skipped_in_a_row_ = report.skipped ? skipped_in_a_row_ + 1 : 0;
  sums_.steps += 1;
  sums_.skipped += report.skipped ? 1 : 0;
  sums_.norm += report.skipped ? 0.0 : report.gradient_norm;
  const auto add = [&](const std::string& name, const Tensor& value) {
    if (!value.defined()) return;
    auto& [sum, count] = sums_.values[name];
    sum += value.item<double>();
    ++count;
  };
  // Scenes and text are so different that one number for both says nothing.
  const std::string kind = batch.scenes ? "scene_" : "text_";
  add("loss", losses.total);
  add(kind + "dense", losses.dense);
  add(kind + "patch_hits", losses.patch_hits);
  if (batch.scenes) add("place_hits", losses.column_hits);
  add(kind + "number_hits", losses.number_hits);
  add("presence", losses.presence);
  add(kind + "answer", losses.answer);
  add(kind + "answer_hits", losses.answer_hits);
}

Status Trainer::Log() {
  nlohmann::ordered_json line;
  line["step"] = state_.step;
  line["pictures"] = state_.pictures;
  line["seconds"] = state_.seconds;
  line["lr"] = schedule_.Rate(state_.step - 1);
  line["gradient_norm"] = sums_.norm / std::max(1, sums_.steps - sums_.skipped);
  line["skipped"] = sums_.skipped;
  const double rate = sums_.steps * config_.batch / std::max(1e-9, sums_.seconds);
  line["pictures_per_second"] = rate;
  line["wait_share"] = sums_.waited / std::max(1e-9, sums_.seconds);
  std::string shown;
  for (const auto& [name, sum] : sums_.values) {
    line[name] = sum.first / sum.second;
    char text[64];
    std::snprintf(text, sizeof(text), " %s %.3f", name.c_str(), sum.first / sum.second);
    shown += text;
  }
  const double left = static_cast<double>(config_.steps - state_.step) * config_.batch / rate;
  std::printf("step %lld/%lld%s | %.0f pictures/s, data %.0f%%, left %s\n",
              static_cast<long long>(state_.step), static_cast<long long>(config_.steps),
              shown.c_str(), rate, 100.0 * sums_.waited / std::max(1e-9, sums_.seconds),
              Clock(left).c_str());
  std::fflush(stdout);
  sums_ = Sums();
  const std::string path = (fs::path(config_.run_dir) / "log.jsonl").string();
  std::ofstream log(path, std::ios::app);
  log << line.dump() << "\n";
  log.flush();
  if (!log) return IoError(path + ": cannot write the log");
  return OkStatus();
}

Status Trainer::Save() {
  state_.optimizer_steps = optimizer_->steps();
  MCV_ASSIGN_OR_RETURN(const std::string folder, SaveCheckpoint(config_.run_dir, state_, Tensors(),
                                                                config_.keep_checkpoints));
  std::printf("saved %s\n", folder.c_str());
  std::fflush(stdout);
  return OkStatus();
}

Status Trainer::Run(const std::atomic<bool>& stop) {
  const double started = Now();
  double saved = started;
  const int things = assets_->things().size();
  while (state_.step < config_.steps && !stop) {
    const double before = Now();
    if (config_.max_minutes > 0.0 && before - started > 60.0 * config_.max_minutes) break;
    const Batch drawn = NextBatch();
    sums_.waited += Now() - before;
    const NanoTokenizer* tokenizer = stage_.answer_loss ? tokenizer_.get() : nullptr;
    StepBatch batch = MakeStepBatch(drawn.samples, model_config_, tokenizer, things);
    batch.MoveTo(torch::Device(config_.device));
    Step(batch);
    if (skipped_in_a_row_ >= kMostSkipped) {
      return Internal("the gradient was not finite for " + std::to_string(kMostSkipped) +
                      " steps in a row; lower --lr or go on from an earlier checkpoint");
    }
    ++state_.step;
    state_.pictures += config_.batch;
    const double spent = Now() - before;
    state_.seconds += spent;
    sums_.seconds += spent;
    if (state_.step % config_.log_every == 0) MCV_RETURN_IF_ERROR(Log());
    if (Now() - saved > 60.0 * config_.checkpoint_minutes) {
      MCV_RETURN_IF_ERROR(Save());
      saved = Now();
    }
  }
  return Save();
}

}  // namespace mcv::trainer
