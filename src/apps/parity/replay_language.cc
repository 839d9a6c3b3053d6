// Greedy tokens are compared with the expected ones fed back in, so that one undecided step does
// not make all later ones incomparable. Where every token agrees that is the free run itself.
#include <algorithm>
#include <cmath>

#include "apps/parity/compare.h"
#include "apps/parity/replay_text.h"
#include "model/text/decoder.h"

namespace mcv::parity {

using nlohmann::json;

namespace {

// Keeps the last row of every state while the prompt is read in batches.
class LastStates {
 public:
  LastStates(int layers, int width) : width_(width), rows_(layers + 1) {}

  TapSink Sink() {
    return [this](Tap tap, int layer, ConstMatView values) {
      if (tap != Tap::kTextState) return;
      const float* last = values.Row(values.rows - 1);
      rows_[static_cast<size_t>(layer)].assign(last, last + width_);
    };
  }
  std::vector<float> Flat() const {
    std::vector<float> flat;
    for (const auto& row : rows_) flat.insert(flat.end(), row.begin(), row.end());
    return flat;
  }

 private:
  int width_;
  std::vector<std::vector<float>> rows_;
};

void CompareFile(const Replay& r, const char* key, std::span<const float> got) {
  const json* file = r.Find(key);
  if (file == nullptr) return;
  const auto expected = ReadNpyValues(r.c->folder + "/" + file->get<std::string>(), got.size());
  if (!expected.ok()) return r.Broken(expected.status().message());
  r.Add(key, LargestDifference(got, *expected), kTextTolerance, "values differ");
}

// The five largest logits of one step: [[id, logit], ...], largest first.
struct TopFive {
  std::vector<std::pair<int32_t, float>> entries;
  double gap() const {
    return entries.size() < 2 ? HUGE_VAL : double{entries[0].second} - double{entries[1].second};
  }
};

std::vector<TopFive> ReadTop5(const Replay& r) {
  std::vector<TopFive> steps;
  const json* top5 = r.Find("top5");
  if (top5 == nullptr) return steps;
  for (const json& step : *top5) {
    TopFive& out = steps.emplace_back();
    for (const json& pair : step) {
      out.entries.emplace_back(pair.at(0).get<int32_t>(), pair.at(1).get<float>());
    }
  }
  return steps;
}

void CompareTop5(const Replay& r, size_t step, const TopFive& expected,
                 std::span<const float> logits) {
  double worst = 0.0;
  std::string detail;
  for (const auto& [id, logit] : expected.entries) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) {
      worst = HUGE_VAL;
      continue;
    }
    const double difference = std::fabs(double{logits[static_cast<size_t>(id)]} - double{logit});
    if (difference <= worst) continue;
    worst = difference;
    detail = "step " + std::to_string(step) + ": logit of token " + std::to_string(id) + " is " +
             std::to_string(logits[static_cast<size_t>(id)]) + ", expected " +
             std::to_string(logit);
  }
  r.Add("top5", worst, kTextTolerance, detail);
}

// Counts as equal where the expected run itself was undecided.
void CompareToken(const Replay& r, size_t step, int32_t expected, const TopFive* top,
                  std::span<const float> logits) {
  const auto largest = std::max_element(logits.begin(), logits.end());
  const int32_t got = static_cast<int32_t>(largest - logits.begin());
  const bool decided = top == nullptr || top->gap() > kDecisiveGap;
  r.Add("tokens", got == expected || !decided ? 0 : 1, 0,
        "step " + std::to_string(step) + ": token " + std::to_string(got) + ", expected " +
            std::to_string(expected));
}

}  // namespace

Status ReplayLanguage(const Replay& r, const PromptIds& prompt) {
  const TextConfig& config = r.model->config().text;
  std::vector<int32_t> tokens;
  if (const json* expected = r.Find("tokens")) tokens = expected->get<std::vector<int32_t>>();
  for (const int32_t id : tokens) {
    if (id < 0 || id >= config.vocab) {
      return Corrupt("expected token " + std::to_string(id) + " is outside the vocabulary");
    }
  }
  DecoderOptions options;
  options.capacity = static_cast<int64_t>(prompt.ids.size() + tokens.size());
  options.cache_type = r.machine->cache_type();
  MCV_ASSIGN_OR_RETURN(
      const std::unique_ptr<Decoder> decoder,
      Decoder::Create(config, r.model->weights().text(), options, r.machine->context()));

  LastStates states(config.layers, config.width);
  const TapSink sink = states.Sink();
  std::vector<float> logits(static_cast<size_t>(config.vocab));
  const MatView row(logits.data(), 1, config.vocab);
  AppendOptions append;
  append.taps = &sink;
  const auto sequence = decoder->NewSequence();
  MCV_RETURN_IF_ERROR(Append(*decoder, *sequence, {prompt.ids, prompt.images}, append, row));
  CompareFile(r, "llm_last_position_states", states.Flat());
  CompareFile(r, "prefill_logits", logits);

  const std::vector<TopFive> top5 = ReadTop5(r);
  for (size_t step = 0; step < tokens.size(); ++step) {
    const TopFive* top = step < top5.size() ? &top5[step] : nullptr;
    CompareToken(r, step, tokens[step], top, logits);
    if (top != nullptr) CompareTop5(r, step, *top, logits);
    if (step + 1 == tokens.size()) break;
    MCV_RETURN_IF_ERROR(Append(*decoder, *sequence, {{&tokens[step], 1}, {}}, {}, row));
  }
  return OkStatus();
}

}  // namespace mcv::parity
