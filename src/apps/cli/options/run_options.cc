#include "apps/cli/options/run_options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>

#include "apps/cli/options/cache_folder.h"
#include "apps/cli/options/default_model.h"
#include "apps/cli/options/home_path.h"
#include "apps/cli/options/number_option.h"
#include "apps/cli/options/size_option.h"
#include "engine/threads/tuning_file.h"
#include "formats/printable.h"

namespace mcv::cli {
namespace {

// One count for all stages, or three. Nothing where the text is neither.
std::optional<std::vector<int>> ParseThreads(const std::string& text) {
  std::vector<int> counts;
  const char* at = text.data();
  const char* end = text.data() + text.size();
  while (true) {
    int count = 0;
    const auto read = std::from_chars(at, end, count);
    if (read.ec != std::errc() || count < 1 || count > kMaxThreads) return std::nullopt;
    counts.push_back(count);
    if (read.ptr == end) break;
    if (*read.ptr != ',') return std::nullopt;
    at = read.ptr + 1;
  }
  if (counts.size() != 1 && counts.size() != kStages.size()) return std::nullopt;
  return counts;
}

// "" or the complaint.
std::string CheckThreads(const std::string& text) {
  if (ParseThreads(text)) return "";
  return Printable(text) +
         " is no thread count: expected 1 to 1024, or three of them for encode, prefill and decode "
         "(leave the option out to use what is best here)";
}

void SetThreads(const RunOptions& options, EngineOptions* engine) {
  const std::vector<int> counts =
      options.threads.empty() ? std::vector<int>() : *ParseThreads(options.threads);
  if (counts.size() == 1) engine->threads = counts[0];
  if (counts.size() != kStages.size()) return;
  engine->stages.emplace();
  for (size_t i = 0; i < counts.size(); ++i) engine->stages->stages[i].threads = counts[i];
}

constexpr SizeBounds kCacheBounds = {0, int64_t{1} << 50};

CLI::Validator IsSize(const SizeBounds& bounds = {}) {
  return {[bounds](std::string& text) { return CheckSize(text, bounds); }, "SIZE"};
}

void AddModelOptions(CLI::App& app, RunOptions* o) {
  const std::string group = "Model";
  app.add_option("-m,--model", o->engine.model,
                 "HF folder or LLM .gguf (default: $MCV_MODEL, else the built-in nano model)")
      ->group(group);
  app.add_option("--mmproj", o->engine.mmproj,
                 "the encoder's .gguf (default: the one beside the LLM that belongs to it)")
      ->group(group);
  app.add_flag("--text-only", o->engine.text_only, "do not look for an encoder")->group(group);
  app.add_option("--ctx", o->engine.context,
                 "context length in positions (default: the model's, "
                 "at most 8192)")
      ->transform(CLI::Validator([](std::string& text) { return CheckContext(text); }, "16 to 1M"))
      ->group(group);
  app.add_option("--positions", o->positions,
                 "encoder positions: strip (2.5 as published) or grid (2.5 as llama.cpp runs it)")
      ->check(CLI::IsMember({"strip", "grid"}))
      ->group(group);
  app.add_option("--max-slices", o->max_slices, "cut a picture into at most so many slices")
      ->check(CLI::Range(1, 64))
      ->group(group);
  app.add_flag("--as-stored", o->as_stored,
               "take pictures as the reference does: no EXIF turning, alpha dropped")
      ->group(group);
}

void AddMachineOptions(CLI::App& app, RunOptions* o) {
  const std::string group = "Machine";
  app.add_option("-t,--threads", o->threads,
                 "threads, or three counts for encode, prefill and decode: 4,4,2 (default: what "
                 "minicpmv tune found, else one for each core that this process may use)")
      ->check(CLI::Validator([](std::string& text) { return CheckThreads(text); }, "1 to 1024"))
      ->group(group);
  app.add_option(
         "--tuning", o->tuning,
         "what minicpmv tune found: a file, or off (default: tuning.json in $MCV_CACHE_DIR, "
         "else in the user's cache folder)")
      ->option_text("FILE|off")
      ->group(group);
  app.add_option("--memory-limit", o->memory_limit,
                 "resident memory at most, 4G or 512M for instance: kept to, or refused before "
                 "anything is loaded (minicpmv plan shows what takes how much)")
      ->check(IsSize())
      ->option_text("SIZE")
      ->group(group);
  app.add_option("--target", o->engine.target, "instruction set by name (default: the best)")
      ->group(group);
  app.add_option("--numerics", o->numerics,
                 "exact: fp32 throughout; fast: bf16 and int8 products (docs/numerics.md)")
      ->check(CLI::IsMember({"exact", "fast"}))
      ->capture_default_str()
      ->group(group);
  app.add_option("--encoder-numerics", o->encoder_numerics,
                 "the same for the encoder alone; int8: its layers in int8, faster where the "
                 "processor has int8 dot products (default: as --numerics)")
      ->check(CLI::IsMember({"exact", "fast", "int8"}))
      ->group(group);
  app.add_flag("--no-mmap", o->engine.no_mmap,
               "read the model files into memory and keep all of it, the encoder too, instead of "
               "mapping them (more memory; nothing is read from the disk later)")
      ->group(group);
  app.add_option("--cache-type", o->cache_type,
                 "keys and values as f32, f16, bf16 or q8_0, which takes half of f16 "
                 "(default: f16, exact: f32)")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0"}))
      ->group(group);
}

DType CacheType(const std::string& name) {
  if (name == "f32") return DType::kF32;
  if (name == "bf16") return DType::kBF16;
  return name == "q8_0" ? DType::kQ8_0 : DType::kF16;
}

void AddCacheOptions(CLI::App& app, RunOptions* o) {
  const std::string group = "Cache";
  app.add_option("--picture-cache", o->picture_cache,
                 "folder that remembers encoded pictures, or off (default: $MCV_CACHE_DIR, else "
                 "~/.cache/minicpmv)")
      ->group(group);
  app.add_option("--picture-cache-size", o->picture_cache_size,
                 "at most so much on the disk, like 500M or 2G (default: 1G)")
      ->check(IsSize(kCacheBounds))
      ->option_text("SIZE")
      ->group(group);
}

void AddAnswerOptions(CLI::App& app, RunOptions* o) {
  const std::string group = "Answer";
  app.add_option("-n,--max-tokens", o->max_tokens, "at most so many tokens")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->group(group);
  app.add_flag("--sample", o->sample,
               "sample with the version's published numbers "
               "(default: greedy)")
      ->group(group);
  app.add_option("--temperature", o->temperature, "0 is greedy")
      ->check(CLI::Range(0.0, 100.0))
      ->group(group);
  app.add_option("--top-k", o->top_k, "keep the k likeliest")
      ->check(CLI::Range(0, 1 << 20))
      ->group(group);
  app.add_option("--top-p", o->top_p, "keep the fewest that reach p")
      ->check(CLI::Validator([](std::string& text) { return CheckShare(text); }, "above 0 to 1"))
      ->group(group);
  app.add_option("--min-p", o->min_p, "keep those this times as likely as the likeliest")
      ->check(CLI::Range(0.0, 1.0))
      ->group(group);
  app.add_option("--repetition-penalty", o->repetition_penalty, "over generated tokens")
      ->check(CLI::Range(0.01, 100.0))
      ->group(group);
  app.add_option("--seed", o->seed,
                 "of the sampler, so that an answer can be had again (default: -1, any; the one "
                 "that was used is told)")
      ->check(CLI::Validator([](std::string& text) { return CheckSeed(text); }, "NUMBER"))
      ->option_text("NUMBER")
      ->group(group);
  app.add_option("--beams", o->beams, "beam search; the paper evaluates with 3")
      ->check(CLI::Range(1, 64))
      ->group(group);
  app.add_option("--stop", o->stop, "end the answer before this text (repeatable)")
      ->option_text("TEXT ...")
      ->allow_extra_args(false)  // one for each --stop: what follows is a picture or the question
      ->group(group);
  app.add_option("--system", o->system, "system message")->group(group);
  app.add_option(
         "--session", o->session,
         "a file that keeps the conversation: what was said, the pictures and what the model "
         "has read. If it is there, the conversation goes on from it")
      ->option_text("FILE")
      ->group(group);
}

void AddOutputOptions(CLI::App& app, RunOptions* o) {
  const std::string group = "Output";
  app.add_flag("--stats", o->stats, "time per stage, tokens per second, peak memory")->group(group);
  app.add_flag("--no-progress", o->no_progress, "no progress line on the terminal")->group(group);
}

bool Given(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw(name);
  return option != nullptr && option->count() > 0;
}

// A folder that is named by "." or with a slash behind it has its own name in what is shown.
void NameFolder(std::string* model) {
  const std::filesystem::path name = std::filesystem::path(*model).filename();
  if (model->empty() || (!name.empty() && name != "." && name != "..")) return;
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::canonical(*model, error);
  if (!error && folder.has_filename()) *model = folder.string();
}

}  // namespace

void AddOpenOptions(CLI::App& app, RunOptions* options) {
  AddModelOptions(app, options);
  AddMachineOptions(app, options);
}

void AddRunOptions(CLI::App& app, RunOptions* options) {
  AddOpenOptions(app, options);
  AddCacheOptions(app, options);
  AddAnswerOptions(app, options);
  AddOutputOptions(app, options);
}

Result<EngineOptions> ToEngineOptions(const RunOptions& options) {
  EngineOptions engine = options.engine;
  engine.numerics = NumericsNamed(options.numerics).value_or(Numerics::kFast);
  engine.encoder_numerics = NumericsNamed(options.encoder_numerics);
  if (!options.cache_type.empty()) engine.cache_type = CacheType(options.cache_type);
  if (options.positions == "strip") engine.positions = PositionRule::kStrip;
  if (options.positions == "grid") engine.positions = PositionRule::kGrid;
  if (options.max_slices > 0) engine.max_slices = options.max_slices;
  if (!options.memory_limit.empty()) {
    MCV_ASSIGN_OR_RETURN(engine.memory_limit_bytes, ParseSize(options.memory_limit));
  }
  SetThreads(options, &engine);
  engine.tuning = options.tuning.empty() ? DefaultTuningFile() : options.tuning;
  if (IsOff(engine.tuning)) engine.tuning.clear();
  if (engine.model.empty() && !engine.mmproj.empty()) {
    return InvalidArgument("--mmproj was given without --model: which LLM does it belong to?");
  }
  return engine;
}

AskOptions ToAskOptions(const CLI::App& app, const RunOptions& options, Version version,
                        const std::atomic<bool>* cancel) {
  SamplingPreset preset = SamplingPreset::kGreedy;
  if (options.sample) preset = SamplingPreset::kSampled;
  if (options.beams > 1) preset = SamplingPreset::kBeams;
  AskOptions ask;
  ask.sampling = DefaultSampling(version, preset).options;
  if (Given(app, "--temperature")) ask.sampling.temperature = options.temperature;
  if (Given(app, "--top-k")) ask.sampling.top_k = options.top_k;
  if (Given(app, "--top-p")) ask.sampling.top_p = options.top_p;
  if (Given(app, "--min-p")) ask.sampling.min_p = options.min_p;
  if (Given(app, "--repetition-penalty")) {
    ask.sampling.repetition_penalty = options.repetition_penalty;
  }
  if (options.beams > 1) ask.sampling.num_beams = options.beams;
  if (IsSampled(ask.sampling)) ask.sampling.seed = SeedOf(options.seed).value_or(AnySeed());
  ask.max_tokens = options.max_tokens;
  ask.stop_strings = options.stop;
  ask.cancel = cancel;
  return ask;
}

bool IsSampled(const SamplingOptions& sampling) {
  return sampling.temperature > 0.0f && sampling.num_beams == 1;
}

bool NamesSeed(const RunOptions& options) { return SeedOf(options.seed).has_value(); }

std::string SeedNote(uint64_t seed) {
  return "note: sampled with --seed " + std::to_string(seed) + ", which gives this answer again\n";
}

Result<EngineOptions> ChooseModel(const RunOptions& options) {
  MCV_ASSIGN_OR_RETURN(EngineOptions engine, ToEngineOptions(options));
  if (engine.model.empty()) {
    const char* named = std::getenv("MCV_MODEL");
    if (named != nullptr && *named != '\0') {
      engine.model = ExpandHome(named);
    } else {
      MCV_RETURN_IF_ERROR(UseBuiltInModel(&engine));
    }
  }
  NameFolder(&engine.model);
  return engine;
}

Result<std::shared_ptr<const Engine>> OpenEngine(const RunOptions& options) {
  MCV_ASSIGN_OR_RETURN(EngineOptions engine, ChooseModel(options));
  MCV_ASSIGN_OR_RETURN(const int64_t cache_bytes,
                       ParseSize(options.picture_cache_size, kCacheBounds));
  engine.picture_cache = MakePictureCache(options.picture_cache, cache_bytes);
  return Engine::Open(engine);
}

Status ResumeSession(const RunOptions& options, Session& session) {
  if (options.session.empty()) return OkStatus();
  const Status status = session.Load(options.session);
  return status.code() == StatusCode::kNotFound ? OkStatus() : status;
}

Status KeepSession(const RunOptions& options, const Session& session) {
  return options.session.empty() ? OkStatus() : session.Save(options.session);
}

}  // namespace mcv::cli
