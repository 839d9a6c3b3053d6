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
  places_.clear();
}

void Session::GoBack(const Place& place) {
  sequence_->Rewind(place.mark);
  held_.resize(static_cast<size_t>(place.mark.length));
  unread_ = place.unread;
  state_ = place.state;
  turns_.resize(place.turns);
}

Status Session::ForgetLastTurn() {
  if (places_.empty()) {
    return InvalidArgument(turns_.empty()
                               ? "nothing has been asked that could be taken back"
                               : "the last question was read together with what came before it and "
                                 "cannot be taken back alone; clear the conversation instead");
  }
  GoBack(places_.back());
  places_.pop_back();
  return OkStatus();
}

struct Session::Whole {
  std::unique_ptr<TextSequence> sequence;
  std::vector<int32_t> held, unread;
  std::vector<Place> places;
  std::vector<Turn> turns;
  ChatState state;
};

// Leaves an empty conversation.
Session::Whole Session::TakeWhole() {
  Whole whole{std::exchange(sequence_, parts_.scheduler->NewSequence()),
              std::exchange(held_, {}),
              std::exchange(unread_, {}),
              std::exchange(places_, {}),
              std::exchange(turns_, {}),
              std::exchange(state_, {})};
  return whole;
}

void Session::PutBack(Whole whole) {
  sequence_ = std::move(whole.sequence);
  held_ = std::move(whole.held);
  unread_ = std::move(whole.unread);
  places_ = std::move(whole.places);
  turns_ = std::move(whole.turns);
  state_ = whole.state;
}

Status Session::CheckQuestion(const Question& question, const AskOptions& options) const {
  if (!IsValidUtf8(question.text)) return InvalidArgument("the question is not valid UTF-8");
  if (IsBlank(question.text) && question.images.empty()) {
    return InvalidArgument("the question is empty");
  }
  for (const std::string& stop : options.stop_strings) {
    if (!IsValidUtf8(stop)) return InvalidArgument("a stop string is not valid UTF-8");
  }
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

Result<Session::Prompt> Session::BuildPrompt(std::span<const Turn> earlier, const ChatState& state,
                                             std::span<const int32_t> unread,
                                             const Question& question) const {
  std::vector<ChatTurn> turns;
  std::vector<int> images;  // in the order in which the prompt has them
  if (!state.started && system_.has_value()) {
    turns.push_back(ChatTurn::Text(Role::kSystem, *system_));
  }
  const auto add_user = [&](const std::string& text, const std::vector<int>& shown) {
    ChatTurn& turn = turns.emplace_back();
    for (const int image : shown) {
      turn.parts.push_back({"", pictures_[static_cast<size_t>(image)]->plan});
      images.push_back(image);
    }
    turn.parts.push_back({text, {}});
  };
  for (const Turn& turn : earlier) {
    if (turn.role == Turn::Role::kUser) {
      add_user(turn.text, turn.images);
    } else {
      turns.push_back(ChatTurn::Text(Role::kAssistant, turn.text));
    }
  }
  add_user(question.text, question.images);

  Prompt prompt;
  prompt.state = state;
  MCV_ASSIGN_OR_RETURN(const EncodedPrompt encoded, chat_.EncodeTurns(turns, &prompt.state));
  prompt.ids.assign(unread.begin(), unread.end());
  prompt.ids.insert(prompt.ids.end(), encoded.ids.begin(), encoded.ids.end());
  const int64_t shift = static_cast<int64_t>(unread.size());
  const int64_t width = parts_.scheduler->text().width();
  for (const ImageSpan& span : encoded.spans) {
    const int image = images[static_cast<size_t>(span.picture - state.num_pictures)];
    const Picture& picture = *pictures_[static_cast<size_t>(image)];
    const int64_t count = span.end - span.begin;
    const float* rows = picture.rows->data() + span.view * count * width;
    prompt.images.push_back({shift + span.begin, shift + span.end, {rows, count, width}});
  }
  return prompt;
}

Result<Session::Prompt> Session::BuildNext(const Question& question) const {
  return BuildPrompt({}, state_, unread_, question);
}

// The question behind as many of the last turns as leave room for an answer.
Result<Session::Prompt> Session::BuildShortened(const Question& question, const AskOptions& options,
                                                size_t* forgotten) const {
  const int64_t room = context_length() - std::min(MostTokens(options), context_length() / 4);
  constexpr size_t kExchange = 2;  // a question and its answer
  for (size_t first = kExchange;; first += kExchange) {
    first = std::min(first, turns_.size());
    MCV_ASSIGN_OR_RETURN(Prompt prompt,
                         BuildPrompt(std::span(turns_).subspan(first), ChatState(), {}, question));
    *forgotten = first / kExchange;
    if (static_cast<int64_t>(prompt.ids.size()) <= room || first == turns_.size()) return prompt;
  }
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
  size_t forgotten = 0;
  std::optional<Whole> whole;  // if it had to be shortened
  {
    TraceScope scope(&trace_, Zone::kTokenize);
    MCV_ASSIGN_OR_RETURN(prompt, BuildNext(question));
    if (options.may_forget && !turns_.empty() && !CheckRoom(prompt).ok()) {
      MCV_ASSIGN_OR_RETURN(prompt, BuildShortened(question, options, &forgotten));
      whole = TakeWhole();
      turns_.assign(whole->turns.begin() + static_cast<std::ptrdiff_t>(2 * forgotten),
                    whole->turns.end());
    }
  }
  const Place before = Here();
  const double prepared = SecondsSince(start);
  Generated generated;
  const Status fits = CheckRoom(prompt);
  Result<Answer> answer =
      fits.ok() ? WriteAnswer(prompt, options, callbacks, &generated) : Result<Answer>(fits);
  const bool nothing_said =
      answer.ok() && answer->reason == StopReason::kCancelled && answer->ids.empty();
  if (!answer.ok() || nothing_said) {
    GoBack(before);
    if (whole) PutBack(*std::move(whole));
    return answer.ok() ? Cancelled("stopped before the answer began") : answer.status();
  }
  AnswerStats& stats = answer->stats;
  stats.prompt_tokens = static_cast<int64_t>(held_.size());
  stats.reused_tokens = before.mark.length;
  stats.forgotten_questions = static_cast<int64_t>(forgotten);
  stats.first_token_seconds += prepared;
  // What a shortened conversation begins with was read in one piece with the question.
  if (!whole) places_.push_back(before);
  Keep(question, prompt, generated, *answer);
  return answer;
}

}  // namespace mcv
