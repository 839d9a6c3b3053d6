#include "tests/quality/prediction.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "model/text/decoder.h"

namespace mcv::quality {
namespace {

constexpr int kThreads = 2;

void AddTarget(const float* logits, int32_t truth, Prediction* out) {
  const double largest = *std::max_element(logits, logits + out->vocab);
  double sum = 0.0;
  for (int64_t i = 0; i < out->vocab; ++i) sum += std::exp(logits[i] - largest);
  const double log_sum = largest + std::log(sum);
  for (int64_t i = 0; i < out->vocab; ++i) out->log_probs.push_back(logits[i] - log_sum);
  out->truth.push_back(truth);
}

Status ReadAtOnce(const Reading& reading, Decoder& decoder, Prediction* out) {
  const auto sequence = decoder.NewSequence();
  const int64_t rows = static_cast<int64_t>(reading.ids.size());
  std::vector<float> logits(static_cast<size_t>(rows * out->vocab));
  AppendOptions options;
  options.logits = LogitsWanted::kAll;
  MCV_RETURN_IF_ERROR(Append(decoder, *sequence, {reading.ids, reading.images}, options,
                             MatView(logits.data(), rows, out->vocab)));
  for (const int64_t target : reading.targets) {
    AddTarget(&logits[static_cast<size_t>((target - 1) * out->vocab)],
              reading.ids[static_cast<size_t>(target)], out);
  }
  return OkStatus();
}

Status ReadAsWritten(const Reading& reading, Decoder& decoder, Prediction* out) {
  const auto sequence = decoder.NewSequence();
  std::vector<float> logits(static_cast<size_t>(out->vocab));
  std::span<const ImageRows> images = reading.images;
  for (const int64_t target : reading.targets) {
    const auto piece = std::span(reading.ids)
                           .subspan(static_cast<size_t>(sequence->length()),
                                    static_cast<size_t>(target - sequence->length()));
    MCV_RETURN_IF_ERROR(
        Append(decoder, *sequence, {piece, images}, {}, MatView(logits.data(), 1, out->vocab)));
    images = {};
    AddTarget(logits.data(), reading.ids[static_cast<size_t>(target)], out);
  }
  return OkStatus();
}

}  // namespace

double Prediction::Perplexity() const {
  double sum = 0.0;
  for (size_t i = 0; i < truth.size(); ++i) {
    sum -= log_probs[i * static_cast<size_t>(vocab) + static_cast<size_t>(truth[i])];
  }
  return std::exp(sum / static_cast<double>(truth.size()));
}

Result<Prediction> Predict(const RetypedModel& model, std::span<const Reading> readings,
                           const Way& way) {
  ThreadPool pool(kThreads);
  Context context;
  context.pool = &pool;
  MCV_ASSIGN_OR_RETURN(context.table, ChooseTarget(way.target));
  context.numerics = way.numerics;
  DecoderOptions options;
  options.cache_type = way.numerics == Numerics::kExact ? DType::kF32 : DType::kF16;
  for (const Reading& reading : readings) {
    options.capacity = std::max(options.capacity, static_cast<int64_t>(reading.ids.size()));
  }
  MCV_ASSIGN_OR_RETURN(const std::unique_ptr<Decoder> decoder,
                       Decoder::Create(model.config(), model.weights(), options, context));
  Prediction out;
  out.vocab = model.config().vocab;
  for (const Reading& reading : readings) {
    MCV_RETURN_IF_ERROR(way.pace == Pace::kAtOnce ? ReadAtOnce(reading, *decoder, &out)
                                                  : ReadAsWritten(reading, *decoder, &out));
  }
  return out;
}

double Divergence(const Prediction& from, const Prediction& other) {
  if (from.truth != other.truth || from.vocab != other.vocab) return std::nan("");
  double sum = 0.0;
  for (size_t i = 0; i < from.log_probs.size(); ++i) {
    sum += std::exp(from.log_probs[i]) * (from.log_probs[i] - other.log_probs[i]);
  }
  return sum / static_cast<double>(from.truth.size());
}

}  // namespace mcv::quality
