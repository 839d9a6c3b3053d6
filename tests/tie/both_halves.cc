#include "tests/tie/both_halves.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/thread_pool.h"
#include "engine/session.h"
#include "family/prompt/chat.h"
#include "family/vision/positions.h"
#include "family/vision/views.h"
#include "formats/image/image.h"
#include "model/text/decoder.h"
#include "model/vision/vision_encoder.h"
#include "trainer/recipes/batch.h"

namespace mcv::tie {
namespace {

std::vector<float> ToVector(const torch::Tensor& tensor) {
  const torch::Tensor values = tensor.contiguous().to(at::kFloat);
  const float* data = trainer::ConstData<float>(values);
  return {data, data + values.numel()};
}

// [rows of the conversation, vocabulary]
torch::Tensor AllLogits(trainer::MiniCpmV& model, const torch::Tensor& features,
                        trainer::ChatTokens chat) {
  chat.target.assign(chat.ids.size(), 0);  // every row is asked
  torch::Tensor unused;
  const trainer::TextBatch text =
      trainer::MakeTextBatch({chat}, model.config().resampler.queries, unused);
  return model.Decode(features, text, at::kFloat)
      .narrow(0, 0, static_cast<int64_t>(chat.ids.size()));
}

// What a session computes with, laid open.
struct EngineParts {
  explicit EngineParts(const Engine& engine) : pool(engine.threads()) {
    context.pool = &pool;
    context.table = &engine.kernels();
    context.numerics = engine.options().numerics;
  }
  ThreadPool pool;
  Context context;
};

Status EncodePicture(const Engine& engine, const SlicePlan& plan, const Image& image,
                     Context& context, Numbers* out) {
  const ModelConfig& config = engine.config();
  const std::vector<View> views = MakeViews(image, plan, config.slicing.patch);
  if (views.size() != 1) return Internal("a nano model sees one view");
  const View& view = views[0];
  out->patches.resize(static_cast<size_t>(view.num_patches() * PatchFloats(config.vision.patch)));
  NormalisePatches(view, config, out->patches);
  const PatchGrid grid{view.patch_rows, view.patch_cols};
  const std::vector<ViewPositions> positions = PositionIds({&grid, 1}, config.vision);
  VisionEncoder encoder(config, engine.weights().vision(), engine.weights().resampler(), context);
  out->features.resize(static_cast<size_t>(encoder.rows_per_view() * encoder.width()));
  return encoder.Encode(view, positions[0], {},
                        MatView(out->features.data(), encoder.rows_per_view(), encoder.width()));
}

Status ReadPrompt(const Engine& engine, const SlicePlan& plan, const std::string& question,
                  Context& context, Numbers* out) {
  const ModelConfig& config = engine.config();
  MCV_ASSIGN_OR_RETURN(const ChatEncoder chat, ChatEncoder::Create(engine.tokenizer(), config.row(),
                                                                   config.resampler.queries));
  ChatTurn turn{Role::kUser, {{"", plan}, {question, {}}}};
  ChatState state;
  MCV_ASSIGN_OR_RETURN(const EncodedPrompt prompt, chat.EncodeTurns({&turn, 1}, &state));
  out->prompt = prompt.ids;
  const ImageRows rows{
      prompt.spans[0].begin, prompt.spans[0].end,
      ConstMatView(out->features.data(), config.resampler.queries, config.resampler.width)};
  DecoderOptions options;
  const std::vector<int32_t> forced = engine.tokenizer().EncodeText(kForcedAnswer);
  const int64_t prompt_rows = static_cast<int64_t>(prompt.ids.size());
  options.capacity = prompt_rows + static_cast<int64_t>(forced.size());
  options.cache_type = engine.cache_type();
  MCV_ASSIGN_OR_RETURN(const std::unique_ptr<Decoder> decoder,
                       Decoder::Create(config.text, engine.weights().text(), options, context));
  const auto sequence = decoder->NewSequence();
  out->logits.resize(static_cast<size_t>(options.capacity * config.text.vocab));
  const MatView logits(out->logits.data(), options.capacity, config.text.vocab);
  AppendOptions append;
  append.logits = LogitsWanted::kAll;
  MCV_RETURN_IF_ERROR(
      Append(*decoder, *sequence, {prompt.ids, {&rows, 1}}, append, logits.Rows(0, prompt_rows)));
  for (size_t i = 0; i < forced.size(); ++i) {
    MCV_RETURN_IF_ERROR(Append(*decoder, *sequence, {{&forced[i], 1}, {}}, {},
                               logits.Rows(prompt_rows + static_cast<int64_t>(i), 1)));
  }
  return OkStatus();
}

Status AskSession(const Engine& engine, const Image& image, const std::string& question,
                  Numbers* out) {
  MCV_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, engine.NewSession());
  MCV_ASSIGN_OR_RETURN(const int picture, session->AddImage(image));
  AskOptions options;
  options.max_tokens = kMostTokens;
  MCV_ASSIGN_OR_RETURN(const Answer answer, session->Ask({question, {picture}}, options));
  out->answer = answer.ids;
  return OkStatus();
}

Status RunAll(const Engine& engine, const std::string& png, const std::string& question,
              Numbers* out) {
  MCV_ASSIGN_OR_RETURN(const DecodedImage decoded, LoadImage(png));
  const SlicePlan plan =
      PlanSlices(decoded.image.width, decoded.image.height, engine.config().slicing);
  EngineParts parts(engine);
  MCV_RETURN_IF_ERROR(EncodePicture(engine, plan, decoded.image, parts.context, out));
  MCV_RETURN_IF_ERROR(ReadPrompt(engine, plan, question, parts.context, out));
  return AskSession(engine, decoded.image, question, out);
}

}  // namespace

Numbers RunTrainer(trainer::MiniCpmV& model, const trainer::NanoTokenizer& tokenizer,
                   const trainer::Picture& picture, const std::string& question) {
  const torch::NoGradGuard guard;
  Numbers out;
  const trainer::PictureBatch batch =
      trainer::MakePictureBatch({&picture}, model.config().vision.table_side);
  out.patches = ToVector(batch.patches);
  const torch::Tensor features = model.Resample(model.Encode(batch, at::kFloat), batch);
  out.features = ToVector(features);
  const trainer::Turn turn{trainer::QuestionType::kName, question, ""};
  trainer::ChatTokens chat =
      trainer::EncodePrompt(tokenizer, {turn}, model.config().resampler.queries);
  out.prompt = chat.ids;
  trainer::ChatTokens forced = chat;
  for (const int32_t id : tokenizer.Encode(kForcedAnswer, false)) forced.ids.push_back(id);
  out.logits = ToVector(AllLogits(model, features, forced));
  torch::Tensor logits = AllLogits(model, features, chat);
  while (true) {
    const auto [values, ids] = logits[logits.size(0) - 1].topk(2);
    const int32_t id = static_cast<int32_t>(ids[0].item<int64_t>());
    out.gaps.push_back(values[0].item<float>() - values[1].item<float>());
    if (id == tokenizer.eot() || id == tokenizer.end_of_text()) break;
    out.answer.push_back(id);
    if (out.answer.size() == kMostTokens) break;
    chat.ids.push_back(id);
    logits = AllLogits(model, features, chat);
  }
  return out;
}

Numbers RunEngine(const Engine& engine, const std::string& png, const std::string& question) {
  Numbers out;
  const Status status = RunAll(engine, png, question, &out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

float LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return HUGE_VALF;
  float largest = 0.0f;
  for (size_t i = 0; i < a.size(); ++i) {
    const float difference = std::fabs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference;  // a NaN stays
  }
  return largest;
}

float LargestValue(const std::vector<float>& values) {
  float largest = 0.0f;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

}  // namespace mcv::tie
