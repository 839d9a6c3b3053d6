// Everything that decides a training run, declared once: `Visit` names each setting, and from it
// come the command line flags, the JSON file that a run folder keeps, and the check for unknown
// names.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "family/config.h"
#include "trainer/compat.h"
#include "trainer/data/generator.h"

namespace mcv::trainer {

struct TrainConfig {
  // Where.
  std::string run_dir = "run";
  std::string tokenizer_dir;  // empty: built into run_dir/tokenizer
  std::string init;           // a safetensors file, HF folder or GGUF pair: weights alone
  std::string init_parts = "vpm.,resampler.,llm.,aux.";  // of init; other parameters start afresh
  bool resume = false;
  // What: see recipes/stage.h.
  std::string stage = "encoder";
  // Sizes of the model.
  int vision_width = 192;
  int vision_layers = 6;
  int vision_heads = 3;
  int vision_ffn = 768;
  int queries = 32;
  int width = 256;
  int layers = 3;
  int heads = 4;
  int kv_heads = 4;
  int ffn = 768;
  double rope_theta = 10000.0;
  int scale_resolution = 84;
  // Data.
  int64_t seed = 1;
  int batch = 64;
  double scene_share = 0.6;
  double word_share = 0.4;
  double line_share = 0.0;
  double scene_difficulty = 1.0;  // reached at the end of the ramp
  double word_difficulty = 0.0;
  double start_difficulty = 0.2;  // share of the above at step 0
  int ramp_steps = 0;             // steps until full difficulty; 0: full from the start
  int min_turns = 3;
  int max_turns = 4;
  int loader_threads = 1;
  // Optimiser.
  std::string optimizer = "muon";  // or "adamw"
  std::string schedule = "flat";   // or "cosine"
  int64_t steps = 20000;
  int warmup = 200;
  double decay_share = 0.3;  // "flat": the last part of the run in which the rate falls to zero
  double lr = 2e-3;
  double min_lr_share = 0.02;  // of lr, at the end
  double weight_decay = 0.05;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double momentum = 0.95;  // muon
  double clip = 1.0;
  double ema = 0.998;            // average of the weights that evaluation and export use; 0: none
  double dense_weight = 0.3;     // of the dense loss beside the answers' loss
  double place_weight = 0.25;    // within the dense loss: where the thing's centre is
  double number_weight = 0.5;    // within the dense loss: how many, or which character
  double presence_weight = 0.3;  // of the things-present loss
  // How.
  std::string precision = "auto";  // see MatrixType
  std::string device = "cpu";      // or "cuda", "cuda:1", ...
  int threads = 2;
  int log_every = 20;
  double checkpoint_minutes = 5.0;
  int keep_checkpoints = 2;
  double max_minutes = 0.0;  // stop with a checkpoint after this long; 0: no limit

  // Calls visitor(name, field, help) for every setting.
  template <class Self, class Visitor>
  static void Visit(Self& c, Visitor&& v) {
    v("run-dir", c.run_dir, "folder for checkpoints and the log");
    v("tokenizer-dir", c.tokenizer_dir, "tokenizer.json's folder; made in the run folder if empty");
    v("init", c.init,
      "weights to start from (safetensors file, HF folder, LLM .gguf or its folder)");
    v("init-parts", c.init_parts, "parameters to take from --init, by the start of their names");
    v("resume", c.resume, "go on from the newest checkpoint in the run folder");
    v("stage", c.stage, "encoder, connector or all");
    v("vision-width", c.vision_width, "width of the vision tower");
    v("vision-layers", c.vision_layers, "layers of the vision tower");
    v("vision-heads", c.vision_heads, "heads of the vision tower");
    v("vision-ffn", c.vision_ffn, "hidden width of its MLP");
    v("queries", c.queries, "queries of the resampler");
    v("width", c.width, "width of the decoder, a multiple of 128");
    v("layers", c.layers, "layers of the decoder");
    v("heads", c.heads, "query heads of the decoder");
    v("kv-heads", c.kv_heads, "key heads of the decoder");
    v("ffn", c.ffn, "hidden width of its MLP");
    v("rope-theta", c.rope_theta, "base of the rotary frequencies");
    v("scale-resolution", c.scale_resolution, "side of a view in pixels");
    v("seed", c.seed, "of data and weights");
    v("batch", c.batch, "pictures per step");
    v("scene-share", c.scene_share, "how often a batch shows scenes");
    v("word-share", c.word_share, "how often a batch shows words");
    v("line-share", c.line_share, "how often a batch shows lines");
    v("scene-difficulty", c.scene_difficulty, "0 to 1, at the end of the ramp");
    v("word-difficulty", c.word_difficulty, "0 to 1, at the end of the ramp");
    v("start-difficulty", c.start_difficulty, "share of the above at the first step");
    v("ramp-steps", c.ramp_steps, "steps until full difficulty");
    v("min-turns", c.min_turns, "questions per scene, at least");
    v("max-turns", c.max_turns, "questions per scene, at most");
    v("loader-threads", c.loader_threads, "threads that draw pictures");
    v("optimizer", c.optimizer, "muon or adamw");
    v("schedule", c.schedule, "flat (linear decay at the end) or cosine");
    v("steps", c.steps, "length of the run");
    v("warmup", c.warmup, "steps of linear warmup");
    v("decay-share", c.decay_share, "share of the run that a flat schedule decays in");
    v("lr", c.lr, "peak learning rate");
    v("min-lr-share", c.min_lr_share, "share of the peak that is left at the end");
    v("weight-decay", c.weight_decay, "decoupled weight decay of matrices");
    v("beta1", c.beta1, "AdamW");
    v("beta2", c.beta2, "AdamW");
    v("momentum", c.momentum, "Muon");
    v("clip", c.clip, "largest gradient norm");
    v("ema", c.ema, "decay of the averaged weights, 0 for none");
    v("dense-weight", c.dense_weight, "weight of the dense loss in stage all");
    v("place-weight", c.place_weight, "within the dense loss, of columns and of rows");
    v("number-weight", c.number_weight, "within the dense loss, of numbers");
    v("presence-weight", c.presence_weight, "weight of the things-present loss");
    v("precision", c.precision, "bf16, fp32 or auto: type of matrix products");
    v("device", c.device, "cpu or cuda: where arithmetic runs");
    v("threads", c.threads, "threads for arithmetic");
    v("log-every", c.log_every, "steps between log lines");
    v("checkpoint-minutes", c.checkpoint_minutes, "minutes between checkpoints");
    v("keep-checkpoints", c.keep_checkpoints, "checkpoints that are kept");
    v("max-minutes", c.max_minutes, "stop with a checkpoint after this long, 0 for no limit");
  }

  ModelConfig Model(int vocabulary) const;
  // The generator's settings at a step: difficulty rises in ten steps along the ramp.
  DataConfig Data(int64_t step) const;
  // Number of the ramp's level at a step; data settings change only when it does.
  int RampLevel(int64_t step) const;
};

// The type of matrix products that a precision stands for: "bf16", "fp32", or "auto", which is bf16
// where the device multiplies in it and fp32 elsewhere (without the instructions bf16 is several
// times slower than fp32).
Result<at::ScalarType> MatrixType(const std::string& precision, const torch::Device& device);

// What MatrixType chose, as a setting: "bf16" or "fp32".
std::string PrecisionName(at::ScalarType type);

// Unknown or wrongly typed names are errors that name the nearest setting.
Status ReadConfig(const std::string& path, TrainConfig& config);
// The same from text; `name` is for messages.
Status ParseConfig(const std::string& text, const std::string& name, TrainConfig& config);
std::string ConfigToJson(const TrainConfig& config);

// Every setting is in its range, and those that belong together fit. Errors name the setting.
Status CheckConfig(const TrainConfig& config);
// A run that goes on must be the run that was begun: an error names the settings that differ. Those
// that only say where, how fast and how often may. `where` is for messages.
Status CheckSameRun(const TrainConfig& saved, const TrainConfig& now, const std::string& where);

}  // namespace mcv::trainer
