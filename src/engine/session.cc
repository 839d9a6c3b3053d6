#include "engine/session.h"

#include <algorithm>
#include <mutex>
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
  MCV_CHECK(parts.config != nullptr && parts.tokenizer != nullptr && parts.scheduler != nullptr);
  MCV_CHECK(parts.picture_cache == nullptr || parts.encoder_id != nullptr);
  const ViewEncoder* encoder = parts.scheduler->encoder();
  const int queries = encoder != nullptr ? encoder->rows_per_view() : 0;
  MCV_ASSIGN_OR_RETURN(ChatEncoder chat,
                       ChatEncoder::Create(*parts.tokenizer, parts.config->row(), queries));
  return std::unique_ptr<Session>(new Session(std::move(parts), chat));
}

Session::Session(SessionParts parts, ChatEncoder chat)
    : parts_(std::move(parts)), sequence_(parts_.scheduler->NewSequence()), chat_(chat) {}

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
  const int64_t width = parts_.scheduler->text().width();
  for (const ImageSpan& span : encoded.spans) {
    const int image = question.images[static_cast<size_t>(span.picture - state_.num_pictures)];
    const Picture& picture = *pictures_[static_cast<size_t>(image)];
    const int64_t count = span.end - span.begin;
    const float* rows = picture.rows->data() + span.view * count * width;
    prompt.images.push_back({shift + span.begin, shift + span.end, {rows, count, width}});
  }
  return prompt;
}

Status Session::CheckRoom(const Prompt& prompt) const {
  const int64_t needed = static_cast<int64_t>(prompt.ids.size());
  const int64_t room = context_length() - sequence_->length();
  if (needed <= room) return OkStatus();
  int64_t picture_rows = 0;
  for (const ImageRows& image : prompt.images) picture_rows += image.end - image.begin;
  return ContextFull(
      "the question needs " + std::to_string(needed) + " positions (" +
      std::to_string(picture_rows) + " of them for pictures), but of the context's " +
      std::to_string(context_length()) + " only " + std::to_string(room) +
      " are left: start a new conversation, show fewer or less finely sliced pictures, or open "
      "the model with a larger context");
}

namespace {

// What was said and not shown yet: said by whoever computes, shown by the session's own thread.
class Outbox {
 public:
  void Put(std::string_view text) {
    const std::lock_guard lock(mutex_);
    text_ += text;
  }
  std::string Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(text_, {});
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

}  // namespace

Result<Answer> Session::WriteAnswer(const Prompt& prompt, const AskOptions& options,
                                    const AskCallbacks& callbacks, Generated* generated) {
  const auto start = Clock::now();
  Answer answer;
  Outbox outbox;
  const auto show = [&] {
    const std::string text = outbox.Take();
    if (callbacks.on_text && !text.empty()) callbacks.on_text(text);
  };
  TextStream stream(*parts_.tokenizer, options.stop_strings,
                    [&](std::string_view text) { outbox.Put(text); });
  std::vector<int32_t> whole_prompt = held_;
  whole_prompt.insert(whole_prompt.end(), prompt.ids.begin(), prompt.ids.end());
  AnswerRequest request;
  request.sequence = sequence_.get();
  request.prompt = {prompt.ids, prompt.images};
  request.on_prompt = callbacks.on_prompt;
  request.on_progress = show;
  GenerateOptions& generate = request.generate;
  generate.sampling = options.sampling;
  generate.max_tokens = MostTokens(options);
  generate.stop_ids = parts_.tokenizer->stop_ids();
  generate.prompt = whole_prompt;
  generate.cancel = options.cancel;
  generate.trace = &trace_;
  generate.on_token = [&](int32_t id) {
    if (answer.stats.generated_tokens++ == 0) {
      answer.stats.first_token_seconds = SecondsSince(start);
    }
    return stream.Push(id);
  };
  MCV_ASSIGN_OR_RETURN(*generated,
                       parts_.scheduler->Answer(request, &answer.stats.prefill_seconds));
  held_ = std::move(whole_prompt);
  stream.Finish();
  show();
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
    TraceScope scope(&trace_, Zone::kTokenize);
    MCV_ASSIGN_OR_RETURN(prompt, BuildPrompt(question));
  }
  MCV_RETURN_IF_ERROR(CheckRoom(prompt));
  const SequenceMark before = sequence_->Mark();
  const double prepared = SecondsSince(start);
  Generated generated;
  Result<Answer> answer = WriteAnswer(prompt, options, callbacks, &generated);
  const bool nothing_said =
      answer.ok() && answer->reason == StopReason::kCancelled && answer->ids.empty();
  if (!answer.ok() || nothing_said) {
    GoBack(before);
    return answer.ok() ? Cancelled("stopped before the answer began") : answer.status();
  }
  AnswerStats& stats = answer->stats;
  stats.prompt_tokens = static_cast<int64_t>(held_.size());
  stats.reused_tokens = before.length;
  stats.first_token_seconds += prepared;
  Keep(question, prompt, generated, *answer);
  return answer;
}

}  // namespace mcv
