#include "engine/session.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/clock.h"
#include "engine/generation/text_stream.h"
#include "engine/memory/memory_limit.h"
#include "engine/session_picture.h"
#include "family/prompt/segments.h"
#include "family/tokenizer/utf8.h"

namespace mcv {

// What a question adds to the conversation.
struct Session::Prompt {
  std::vector<int32_t> ids;       // the unread end of the last answer, then the new turn
  std::vector<ImageRows> images;  // rows stay in the pictures
  ChatState state;                // after the turn
};

Result<std::unique_ptr<Session>> Session::Create(SessionParts parts) {
  MCV_CHECK(parts.config != nullptr && parts.tokenizer != nullptr && parts.text != nullptr);
  MCV_CHECK(parts.picture_cache == nullptr || parts.encoder_id != nullptr);
  const int queries = parts.encoder != nullptr ? parts.encoder->rows_per_view() : 0;
  MCV_ASSIGN_OR_RETURN(ChatEncoder chat,
                       ChatEncoder::Create(*parts.tokenizer, parts.config->row(), queries));
  return std::unique_ptr<Session>(new Session(std::move(parts), chat));
}

Session::Session(SessionParts parts, ChatEncoder chat)
    : parts_(std::move(parts)), sequence_(parts_.text->NewSequence()), chat_(chat) {
  if (parts_.trace == nullptr) parts_.trace = &own_trace_;
  logits_.resize(static_cast<size_t>(parts_.text->vocab()));
}

Session::~Session() = default;

int64_t Session::context_used() const {
  return static_cast<int64_t>(held_.size() + unread_.size());
}

Status Session::SetSystem(const std::string& system) {
  if (state_.started) {
    return InvalidArgument(
        "the system message can only be set before the first question, or after the conversation "
        "was cleared");
  }
  if (!IsValidUtf8(system)) return InvalidArgument("the system message is not valid UTF-8");
  system_ = system;
  return OkStatus();
}

void Session::Clear() {
  GoBack({});
  turns_.clear();
  unread_.clear();
  state_ = ChatState();
}

void Session::GoBack(const SequenceMark& mark) {
  sequence_->Rewind(mark);
  held_.resize(static_cast<size_t>(mark.length));
}

Status Session::CheckQuestion(const Question& question, const AskOptions& options) const {
  if (!IsValidUtf8(question.text)) return InvalidArgument("the question is not valid UTF-8");
  if (IsBlank(question.text)) return InvalidArgument("the question is empty");
  for (const int image : question.images) {
    if (image >= 0 && image < num_images()) continue;
    return InvalidArgument("picture number " + std::to_string(image) + " does not exist: " +
                           std::to_string(pictures_.size()) + " have been added");
  }
  if (options.max_tokens < 0) {
    return InvalidArgument("max tokens is " + std::to_string(options.max_tokens) +
                           ", expected 0 (the version's own number) or more");
  }
  MCV_RETURN_IF_ERROR(Validate(options.sampling));
  if (parts_.guard == nullptr || options.sampling.num_beams == 1) return OkStatus();
  return parts_.guard->CheckBeams(options.sampling.num_beams, MostTokens(options), views_held());
}

// Of an answer: what was asked for, or the version's own number.
int64_t Session::MostTokens(const AskOptions& options) const {
  return options.max_tokens > 0
             ? options.max_tokens
             : DefaultSampling(parts_.config->version, SamplingPreset::kGreedy).max_new_tokens;
}

Result<Session::Prompt> Session::BuildPrompt(const Question& question) const {
  std::vector<ChatTurn> turns;
  if (!state_.started && system_.has_value()) {
    turns.push_back(ChatTurn::Text(Role::kSystem, *system_));
  }
  ChatTurn turn;
  for (const int image : question.images) {
    turn.parts.push_back({"", pictures_[static_cast<size_t>(image)]->plan});
  }
  turn.parts.push_back({question.text, {}});
  turns.push_back(std::move(turn));

  Prompt prompt;
  prompt.state = state_;
  MCV_ASSIGN_OR_RETURN(const EncodedPrompt encoded, chat_.EncodeTurns(turns, &prompt.state));
  prompt.ids = unread_;
  prompt.ids.insert(prompt.ids.end(), encoded.ids.begin(), encoded.ids.end());
  const int64_t shift = static_cast<int64_t>(unread_.size());
  const int64_t width = parts_.text->width();
  for (const ImageSpan& span : encoded.spans) {
    const int image = question.images[static_cast<size_t>(span.picture - state_.num_pictures)];
    const Picture& picture = *pictures_[static_cast<size_t>(image)];
    const int64_t count = span.end - span.begin;
    const float* rows = picture.rows->data() + span.view * count * width;
    prompt.images.push_back({shift + span.begin, shift + span.end, {rows, count, width}});
  }
  return prompt;
}

Status Session::ReadPrompt(const Prompt& prompt, const AskOptions& options,
                           const AskCallbacks& callbacks) {
  const int64_t needed = static_cast<int64_t>(prompt.ids.size());
  const int64_t room = context_length() - sequence_->length();
  if (needed > room) {
    int64_t picture_rows = 0;
    for (const ImageRows& image : prompt.images) picture_rows += image.end - image.begin;
    return ContextFull(
        "the question needs " + std::to_string(needed) + " positions (" +
        std::to_string(picture_rows) + " of them for pictures), but of the context's " +
        std::to_string(context_length()) + " only " + std::to_string(room) +
        " are left: start a new conversation, show fewer or less finely sliced pictures, or open "
        "the model with a larger context");
  }
  const auto stage = EnterStage(Stage::kPrefill);
  TraceScope scope(parts_.trace, Zone::kPrefill);
  AppendOptions append;
  append.cancel = options.cancel;
  append.on_progress = callbacks.on_prompt;
  MCV_RETURN_IF_ERROR(Append(*parts_.text, *sequence_, {prompt.ids, prompt.images}, append,
                             {logits_.data(), 1, static_cast<int64_t>(logits_.size())}));
  held_.insert(held_.end(), prompt.ids.begin(), prompt.ids.end());
  return OkStatus();
}

Result<Answer> Session::GenerateAnswer(const AskOptions& options, const AskCallbacks& callbacks,
                                       Generated* generated) {
  const auto stage = EnterStage(Stage::kDecode);
  const auto start = Clock::now();
  Answer answer;
  TextStream stream(*parts_.tokenizer, options.stop_strings, callbacks.on_text);
  const std::vector<int32_t> prompt = held_;
  GenerateOptions generate;
  generate.sampling = options.sampling;
  generate.max_tokens = MostTokens(options);
  generate.stop_ids = parts_.tokenizer->stop_ids();
  generate.prompt = prompt;
  generate.cancel = options.cancel;
  generate.trace = parts_.trace;
  generate.on_token = [&](int32_t id) {
    if (answer.stats.generated_tokens++ == 0) {
      answer.stats.first_token_seconds = SecondsSince(start);
    }
    return stream.Push(id);
  };
  MCV_ASSIGN_OR_RETURN(
      *generated, Generate(*parts_.text, *sequence_,
                           {logits_.data(), 1, static_cast<int64_t>(logits_.size())}, generate));
  stream.Finish();
  answer.stats.decode_seconds = SecondsSince(start) - answer.stats.first_token_seconds;
  answer.text = stream.text();
  answer.ids = generated->ids;
  answer.reason = generated->reason;
  return answer;
}

void Session::Keep(const Question& question, const Prompt& prompt, const Generated& generated,
                   const Answer& answer) {
  const auto read = generated.ids.begin() + generated.positions_held;
  held_.insert(held_.end(), generated.ids.begin(), read);
  unread_.assign(read, generated.ids.end());
  state_ = prompt.state;
  turns_.push_back({Turn::Role::kUser, question.text, question.images});
  turns_.push_back({Turn::Role::kAssistant, answer.text, {}});
}

Result<Answer> Session::Ask(const Question& question, const AskOptions& options,
                            const AskCallbacks& callbacks) {
  const auto start = Clock::now();
  MCV_RETURN_IF_ERROR(CheckQuestion(question, options));
  Prompt prompt;
  {
    TraceScope scope(parts_.trace, Zone::kTokenize);
    MCV_ASSIGN_OR_RETURN(prompt, BuildPrompt(question));
  }
  const SequenceMark before = sequence_->Mark();
  const auto prefill_start = Clock::now();
  PrepareLanguageModel();
  MCV_RETURN_IF_ERROR(ReadPrompt(prompt, options, callbacks));
  const double prefill_seconds = SecondsSince(prefill_start);
  const double start_to_prefill_end = SecondsSince(start);

  Generated generated;
  Result<Answer> answer = GenerateAnswer(options, callbacks, &generated);
  const bool nothing_said =
      answer.ok() && answer->reason == StopReason::kCancelled && answer->ids.empty();
  if (!answer.ok() || nothing_said) {
    GoBack(before);
    return answer.ok() ? Cancelled("stopped before the answer began") : answer.status();
  }
  AnswerStats& stats = answer->stats;
  stats.prompt_tokens = static_cast<int64_t>(held_.size());
  stats.reused_tokens = before.length;
  stats.prefill_seconds = prefill_seconds;
  stats.first_token_seconds += start_to_prefill_end;
  Keep(question, prompt, generated, *answer);
  return answer;
}

}  // namespace mcv
