#include <cmath>

#include "apps/parity/compare.h"
#include "apps/parity/replay_text.h"
#include "family/prompt/chat.h"

namespace mcv::parity {

using nlohmann::json;

namespace {

// The case's conversation: its turns, or one question after its picture; a system message if it
// has one.
Result<std::vector<ChatTurn>> TurnsOf(const Replay& r, const PictureRows* picture) {
  std::vector<ChatTurn> turns;
  if (const json* system = r.Find("system")) {
    turns.push_back(ChatTurn::Text(Role::kSystem, system->get<std::string>()));
  }
  if (const json* listed = r.Find("turns")) {
    for (const json& turn : *listed) {
      const Role role = turn.at(0) == "assistant" ? Role::kAssistant
                        : turn.at(0) == "system"  ? Role::kSystem
                                                  : Role::kUser;
      turns.push_back(ChatTurn::Text(role, turn.at(1).get<std::string>()));
    }
  }
  if (picture != nullptr) {
    const json* question = r.Find("question");
    if (question == nullptr) return Corrupt("has a picture and no question");
    ChatTurn turn;
    turn.parts.push_back({"", picture->plan});
    turn.parts.push_back({question->get<std::string>(), {}});
    turns.push_back(std::move(turn));
  }
  if (turns.empty()) return Corrupt("has neither turns nor a picture");
  return turns;
}

// "ids" as they are, or "ids_runs" as [id, count].
std::vector<int32_t> ExpectedIds(const Replay& r) {
  if (const json* ids = r.Find("ids")) return ids->get<std::vector<int32_t>>();
  std::vector<int32_t> out;
  if (const json* runs = r.Find("ids_runs")) {
    for (const json& run : *runs) {
      out.insert(out.end(), run.at(1).get<size_t>(), run.at(0).get<int32_t>());
    }
  }
  return out;
}

void CompareSpans(const Replay& r, const std::vector<ImageSpan>& spans) {
  const json* expected = r.Find("image_spans");
  if (expected == nullptr) return;
  std::vector<int> got, wanted;
  for (const ImageSpan& span : spans) got.insert(got.end(), {span.begin, span.end});
  for (const json& span : *expected) {
    wanted.insert(wanted.end(), {span.at(0).get<int>(), span.at(1).get<int>()});
  }
  r.Add("image_spans", CountUnequal<int>(got, wanted), 0, FirstUnequal<int>(got, wanted));
}

void ComparePrompt(const Replay& r, const ChatEncoder& encoder, const EncodedPrompt& prompt) {
  if (const json* text = r.Find("prompt")) {
    const std::string got = encoder.PromptText(prompt.ids);
    r.Add("prompt", got == text->get<std::string>() ? 0 : 1, 0,
          json(got).dump(-1, ' ', false, json::error_handler_t::replace) + ", expected " +
              text->dump());
  }
  const std::vector<int32_t> expected = ExpectedIds(r);
  if (!expected.empty()) {
    r.Add("token_ids", CountUnequal<int32_t>(prompt.ids, expected), 0,
          FirstUnequal<int32_t>(prompt.ids, expected));
  }
  if (const json* count = r.Find("prompt_tokens")) {
    const double got = static_cast<double>(prompt.ids.size());
    r.Add("prompt_tokens", std::fabs(got - count->get<double>()), 0,
          std::to_string(prompt.ids.size()) + " tokens, expected " + count->dump());
  }
  CompareSpans(r, prompt.spans);
}

}  // namespace

Result<PromptIds> ReplayPrompt(const Replay& r, const PictureRows* picture) {
  const ModelConfig& config = r.model->config();
  const int queries = config.has_vision ? config.resampler.queries : 0;
  MCV_ASSIGN_OR_RETURN(const ChatEncoder encoder,
                       ChatEncoder::Create(r.model->tokenizer(), config.row(), queries));
  MCV_ASSIGN_OR_RETURN(const std::vector<ChatTurn> turns, TurnsOf(r, picture));
  ChatState state;
  MCV_ASSIGN_OR_RETURN(EncodedPrompt prompt, encoder.EncodeTurns(turns, &state));
  ComparePrompt(r, encoder, prompt);
  for (const int32_t id : prompt.ids) {
    if (id < 0 || id >= config.text.vocab) {
      return Corrupt("the tokenizer gives token " + std::to_string(id) +
                     ", which is outside the model's vocabulary");
    }
  }

  PromptIds out;
  const int64_t width = config.text.width;
  for (const ImageSpan& span : prompt.spans) {
    const float* rows = picture->rows.data() + int64_t{span.view} * queries * width;
    out.images.push_back({span.begin, span.end, ConstMatView(rows, queries, width)});
  }
  out.ids = std::move(prompt.ids);
  return out;
}

}  // namespace mcv::parity
