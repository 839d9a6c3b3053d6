#include "apps/bench/workload.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "engine/session.h"
#include "model/text/decoder.h"

namespace mcv::bench {
namespace {

constexpr uint64_t kSeed = 20;
constexpr int64_t kWarmUpTokens = 32;

std::vector<int32_t> RandomIds(int64_t count, int vocab) {
  RandomStream random(kSeed);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = static_cast<int32_t>(random.Below(static_cast<uint32_t>(vocab)));
  return ids;
}

// The language model alone, fed with token ids.
class TextBench {
 public:
  static Result<std::unique_ptr<TextBench>> Create(std::shared_ptr<const Engine> engine,
                                                   int64_t capacity,
                                                   const std::atomic<bool>* cancel) {
    auto bench = std::unique_ptr<TextBench>(new TextBench(std::move(engine), cancel));
    DecoderOptions options;
    options.capacity = capacity;
    options.cache_type = bench->engine_->cache_type();
    MCV_ASSIGN_OR_RETURN(bench->decoder_, Decoder::Create(bench->engine_->config().text,
                                                          bench->engine_->weights().text(), options,
                                                          bench->context_));
    bench->sequence_ = bench->decoder_->NewSequence();
    bench->logits_.resize(static_cast<size_t>(bench->decoder_->vocab()));
    return bench;
  }

  // Seconds for `tokens` in one piece.
  Result<double> Prefill(int64_t tokens) {
    const std::vector<int32_t> ids = RandomIds(tokens, decoder_->vocab());
    MCV_RETURN_IF_ERROR(Append({ids.data(), std::min(ids.size(), size_t{kWarmUpTokens})}));
    sequence_->Rewind({});
    const auto start = Clock::now();
    MCV_RETURN_IF_ERROR(Append(ids));
    return SecondsSince(start);
  }

  // Seconds for `tokens`, one at a time, after `depth`.
  Result<double> Decode(int64_t depth, int64_t tokens) {
    const std::vector<int32_t> ids = RandomIds(depth + tokens, decoder_->vocab());
    MCV_RETURN_IF_ERROR(Append({ids.data(), 1}));
    sequence_->Rewind({});
    const size_t before = static_cast<size_t>(depth);
    if (depth > 0) MCV_RETURN_IF_ERROR(Append({ids.data(), before}));
    const auto start = Clock::now();
    for (size_t i = before; i < ids.size(); ++i) MCV_RETURN_IF_ERROR(Append({&ids[i], 1}));
    return SecondsSince(start);
  }

  // Seconds for `tokens` of each of `count` sequences, one of every sequence at a time.
  Result<double> DecodeMany(int64_t count, int64_t tokens) {
    const size_t length = static_cast<size_t>(kManyPromptTokens + tokens);
    const std::vector<int32_t> ids =
        RandomIds(count * static_cast<int64_t>(length), decoder_->vocab());
    std::vector<std::unique_ptr<TextSequence>> sequences;
    for (int64_t s = 0; s < count; ++s) {
      sequence_ = decoder_->NewSequence();
      MCV_RETURN_IF_ERROR(Append({&ids[static_cast<size_t>(s) * length], kManyPromptTokens}));
      sequences.push_back(std::move(sequence_));
    }
    std::vector<float> logits(static_cast<size_t>(count * decoder_->vocab()));
    std::vector<TextRun> runs(sequences.size());
    const auto start = Clock::now();
    for (size_t i = kManyPromptTokens; i < length; ++i) {
      if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed))
        return Cancelled("stopped");
      for (size_t s = 0; s < runs.size(); ++s) {
        runs[s] = {sequences[s].get(), {{&ids[s * length + i], 1}, {}}, LogitsWanted::kLast};
      }
      MCV_RETURN_IF_ERROR(decoder_->Step(runs, {}, {logits.data(), count, decoder_->vocab()}));
    }
    return SecondsSince(start);
  }

 private:
  TextBench(std::shared_ptr<const Engine> engine, const std::atomic<bool>* cancel)
      : engine_(std::move(engine)), pool_(engine_->threads()), cancel_(cancel) {
    context_.pool = &pool_;
    context_.table = &engine_->kernels();
    context_.numerics = engine_->options().numerics;
  }

  Status Append(std::span<const int32_t> ids) {
    if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) return Cancelled("stopped");
    AppendOptions options;
    options.cancel = cancel_;
    return mcv::Append(*decoder_, *sequence_, {ids, {}}, options,
                       {logits_.data(), 1, static_cast<int64_t>(logits_.size())});
  }

  std::shared_ptr<const Engine> engine_;
  ThreadPool pool_;
  Context context_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<TextSequence> sequence_;
  std::vector<float> logits_;
  const std::atomic<bool>* cancel_;
};

Status MeasureText(const WorkloadOptions& options, std::shared_ptr<const Engine> engine,
                   Clock::time_point start, Measured* measured) {
  const bool prefill = options.kind == JobKind::kPrefill;
  const bool many = options.kind == JobKind::kDecodeMany;
  const int64_t before = many ? kManyPromptTokens : options.tokens;
  const int64_t capacity =
      std::max<int64_t>(before + (prefill ? 0 : options.decode_tokens), kWarmUpTokens);
  MCV_ASSIGN_OR_RETURN(auto bench, TextBench::Create(std::move(engine), capacity, options.cancel));
  measured->load_seconds = SecondsSince(start);
  MCV_ASSIGN_OR_RETURN(const double seconds,
                       prefill ? bench->Prefill(options.tokens)
                       : many  ? bench->DecodeMany(options.tokens, options.decode_tokens)
                               : bench->Decode(options.tokens, options.decode_tokens));
  const int64_t timed =
      prefill ? options.tokens : options.decode_tokens * (many ? options.tokens : 1);
  measured->prompt_tokens = before;
  if (seconds > 0) measured->tokens_per_second = static_cast<double>(timed) / seconds;
  return OkStatus();
}

// Memory that is no page of a file, as far as it is resident now; 0 where the system does not say.
uint64_t OwnResidentBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10) * 1024;
  }
  return 0;
}

// "avx2 kernels; files mapped; encoder fast; threads tuned: encode 2 threads, ..."
std::string SetupOf(const Engine& engine) {
  const std::string& source = engine.thread_source();
  std::string text = std::string(engine.target_name()) + " kernels; ";
  text += engine.files().mapped_bytes() > 0 ? "files mapped; " : "files in memory; ";
  text.append("encoder ").append(NumericsName(engine.encoder_numerics()));
  text += "; threads " + source.substr(0, source.find_first_of(",;")) + ": ";
  for (const Stage stage : kStages) {
    if (stage != Stage::kEncode) text += ", ";
    text += std::string(StageName(stage)) + " " + Describe(engine.thread_settings().of(stage));
  }
  return text;
}

Status MeasurePicture(const WorkloadOptions& options, Session& session, Measured* measured) {
  MCV_ASSIGN_OR_RETURN(const DecodedImage decoded, LoadImage(options.picture));
  AddImageOptions add;
  add.cancel = options.cancel;
  MCV_ASSIGN_OR_RETURN(const int picture, session.AddImage(decoded.image, add));
  measured->own_bytes = OwnResidentBytes();
  AskOptions ask;
  ask.max_tokens = options.kind == JobKind::kAnswer ? options.decode_tokens : 1;
  ask.cancel = options.cancel;
  MCV_ASSIGN_OR_RETURN(const Answer answer, session.Ask({options.question, {picture}}, ask));
  const PictureStats& stats = session.picture_stats(picture);
  measured->encode_seconds = stats.encode_seconds;
  measured->views = stats.views;
  measured->prompt_tokens = answer.stats.prompt_tokens;
  if (options.kind != JobKind::kAnswer) return OkStatus();
  measured->prefill_seconds = answer.stats.prefill_seconds;
  measured->answer = answer.ids;
  if (const double rate = answer.stats.DecodeTokensPerSecond(); rate > 0) {
    measured->decode_rate = rate;
  }
  measured->own_bytes = std::max(measured->own_bytes, OwnResidentBytes());
  return OkStatus();
}

}  // namespace

Result<Measured> RunWorkload(const WorkloadOptions& options,
                             const std::function<Result<std::shared_ptr<const Engine>>()>& open) {
  Measured measured;
  const auto start = Clock::now();
  MCV_ASSIGN_OR_RETURN(std::shared_ptr<const Engine> engine, open());
  if (options.kind == JobKind::kPrefill || options.kind == JobKind::kDecode ||
      options.kind == JobKind::kDecodeMany) {
    MCV_RETURN_IF_ERROR(MeasureText(options, std::move(engine), start, &measured));
  } else {
    MCV_ASSIGN_OR_RETURN(auto session, engine->NewSession());
    measured.load_seconds = SecondsSince(start);
    measured.setup = SetupOf(*engine);
    if (options.kind != JobKind::kLoad) {
      MCV_RETURN_IF_ERROR(MeasurePicture(options, *session, &measured));
    }
  }
  measured.wall_seconds = SecondsSince(start);
  measured.peak_resident_bytes = PeakResidentBytes();
  return measured;
}

Result<std::string> QuestionOfTokens(const Tokenizer& tokenizer, int64_t tokens) {
  constexpr const char* kStart[] = {"What", " is", " in", " the", " picture", ",", " and"};
  // Words that are one token nearly everywhere, then what fills a last gap.
  constexpr const char* kFill[] = {" where", " is", " the", " red", " one", " a", ",", " ", "a"};
  std::string text;
  int64_t count = 0;
  const auto add = [&](const char* piece) {
    const auto ids = tokenizer.EncodeText(text + piece);
    const int64_t longer = static_cast<int64_t>(ids.size());
    if (longer > tokens || longer <= count) return false;
    text += piece;
    count = longer;
    return true;
  };
  for (const char* piece : kStart) add(piece);
  for (bool grew = true; grew && count < tokens;) {
    grew = false;
    for (const char* piece : kFill) grew = add(piece) || grew;
  }
  if (count == tokens) return text;
  return InvalidArgument("no question of exactly " + std::to_string(tokens) +
                         " tokens was found with this tokenizer; the nearest has " +
                         std::to_string(count));
}

Image DrawPicture(int side) {
  Image image;
  image.width = image.height = side;
  image.pixels.resize(static_cast<size_t>(side) * static_cast<size_t>(side) * 3);
  RandomStream random(kSeed, 1);
  size_t at = 0;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      // A slope of colour, a disc in the middle, a grid of lines, and noise.
      const int64_t dx = 2 * x - side, dy = 2 * y - side;
      const bool disc = dx * dx + dy * dy < int64_t{side} * side / 4;
      const bool line = x % 64 < 3 || y % 64 < 3;
      const int noise = static_cast<int>(random.Below(24));
      const int red = disc ? 200 : 160 * x / side;
      const int green = line ? 220 : 160 * y / side;
      const int blue = disc ? 40 : 90;
      for (const int value : {red, green, blue}) {
        image.pixels[at++] = static_cast<uint8_t>(value + noise);
      }
    }
  }
  return image;
}

}  // namespace mcv::bench
