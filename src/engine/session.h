// One conversation: its pictures, its turns, and the cache of what the model has read.
//
// A picture is encoded once, when it is added. A question is answered from the longest part of the
// conversation that the cache already holds, so a further turn costs only its own tokens.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/trace.h"
#include "engine/generation/generate.h"
#include "engine/generation/sampling_options.h"
#include "engine/pictures/encoder_identity.h"
#include "engine/pictures/picture_cache.h"
#include "engine/scheduling/scheduler.h"
#include "engine/stats.h"
#include "family/config.h"
#include "family/prompt/chat.h"
#include "family/tokenizer/tokenizer.h"
#include "family/vision/views.h"
#include "formats/image/image.h"

namespace mcv {

class MemoryGuard;
struct SavedParts;

struct ViewProgress {
  int views_done = 0;
  int num_views = 0;
  double seconds_spent = 0.0;
  double seconds_left = 0.0;  // from the patches still to do; 0 before the first view is done
};

struct AddImageOptions {
  // Called before the first view and after each; not for a picture that the cache has.
  std::function<void(const ViewProgress&)> on_progress;
  const std::atomic<bool>* cancel = nullptr;  // looked at between views and between layers
};

struct Question {
  std::string text;         // valid UTF-8; blank only beside a picture
  std::vector<int> images;  // pictures that come before the text, by AddImage's number
};

struct AskOptions {
  SamplingOptions sampling;                   // greedy by default
  int64_t max_tokens = 0;                     // 0: the version's own number
  std::vector<std::string> stop_strings;      // valid UTF-8; the answer ends before the first
  const std::atomic<bool>* cancel = nullptr;  // looked at between layers of a prompt and tokens
  // Where the question does not fit any more, the oldest ones are forgotten with their answers
  // (AnswerStats::forgotten_questions) and the rest is read anew, instead of ContextFull.
  bool may_forget = false;
};

struct AskCallbacks {
  // Pieces of the answer in order, each valid UTF-8; together they are the answer.
  std::function<void(std::string_view text)> on_text;
  // Prompt tokens read so far; called after each batch.
  std::function<void(int64_t done, int64_t total)> on_prompt;
};

struct Answer {
  std::string text;  // without blanks around it
  std::vector<int32_t> ids;
  StopReason reason = StopReason::kStopToken;
  AnswerStats stats;
};

struct Turn {
  enum class Role { kUser, kAssistant };
  Role role = Role::kUser;
  std::string text;
  std::vector<int> images;
};

// What a session works with.
struct SessionParts {
  std::shared_ptr<const void> owner;  // kept alive as long as the session: what is borrowed below
  std::shared_ptr<Scheduler> scheduler;  // shared with other sessions of the engine
  const ModelConfig* config = nullptr;
  const Tokenizer* tokenizer = nullptr;
  const MemoryGuard* guard = nullptr;  // null: no memory limit
  // Pictures encoded before, by this session or another; null: none. Then `encoder_id` says what
  // their rows depend on besides the picture; it is called when a picture is added.
  std::shared_ptr<PictureCache> picture_cache;
  std::function<EncoderId()> encoder_id;
  // What a saved session depends on: the same weights and the way they are used. May be empty: then
  // nothing can be saved.
  std::function<std::string()> model_id;
  // Whether the model's files are as they were opened, asked before rows are remembered. May be
  // empty.
  std::function<Status()> check_files;
  std::string why_no_vision;  // for whoever shows a picture to a model without an encoder
};

// One thread at a time, each session its own; `cancel` flags may be set from anywhere, a signal
// handler included.
class Session {
 public:
  static Result<std::unique_ptr<Session>> Create(SessionParts parts);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Encodes the picture, or takes it from the cache without touching the encoder, and returns its
  // number, counted from 0. Equal pixels are encoded once per session and get the number of the
  // first. Unsupported without an encoder, InvalidArgument for a
  // picture without pixels; Cancelled leaves the session as it was.
  // ResourceExhausted where the engine's memory limit would be exceeded.
  Result<int> AddImage(const Image& image, const AddImageOptions& options = {});

  // Whether such a picture keeps to the memory limit; to be asked before its pixels are taken.
  // Bytes: what decoding takes, the pixels included.
  Status RoomForPicture(int width, int height, int64_t decoding_bytes) const;

  // Appends the question and the answer to the conversation. An error leaves the conversation as it
  // was:
  //   InvalidArgument  blank or not UTF-8, a number that is no picture, sampling out of range, a
  //                    picture where the version cannot take one
  //   ContextFull      the prompt does not fit: the message says how many positions are needed and
  //                    how many there are, and what to do
  //   Cancelled        stopped before the answer's first token
  // Later than that, cancelling or a full context end the answer with its reason.
  Result<Answer> Ask(const Question& question, const AskOptions& options = {},
                     const AskCallbacks& callbacks = {});

  // A system message in place of the version's own; only before the first question or after
  // Clear().
  Status SetSystem(const std::string& system);
  // Takes the last question and its answer back, as if it had not been asked. InvalidArgument where
  // there is none, or none since the conversation was taken up or read anew.
  Status ForgetLastTurn();
  // Forgets the turns; pictures keep their numbers and need not be encoded again.
  void Clear();

  // Writes the whole conversation into a file: turns, pictures by key with their rows, and what the
  // model has read, so that another process goes on without encoding or reading anything again
  // (session_file.cc has the layout). The file is its owner's alone; an older one is replaced as a
  // whole. Errors name the path.
  Status Save(const std::string& path) const;
  // Takes it up, in a session in which nothing was shown or asked yet.
  //   NotFound, IoError  as files are
  //   Corrupt            cut, damaged or no session file
  //   Unsupported        another format, or another model: the message names both
  //   ContextFull        the conversation is longer than this session's context
  // An error leaves the session empty.
  Status Load(const std::string& path);

  const std::vector<Turn>& turns() const { return turns_; }
  int num_images() const { return static_cast<int>(pictures_.size()); }
  // Of a number that AddImage gave; empty ones for any other.
  const PictureStats& picture_stats(int image) const;
  int64_t context_length() const { return parts_.scheduler->text().capacity(); }
  // Positions that the conversation takes now.
  int64_t context_used() const;
  const ModelConfig& config() const { return *parts_.config; }
  // Where the session's time went, all turns together; not what was computed beside others.
  const Trace& trace() const { return trace_; }

 private:
  struct Picture;
  struct Prompt;
  struct Saved;

  Session(SessionParts parts, ChatEncoder chat);

  int views_held() const;
  Result<Saved> ReadSaved(const SavedParts& parts) const;
  Status CheckQuestion(const Question& question, const AskOptions& options) const;
  int64_t MostTokens(const AskOptions& options) const;
  // The question behind `turns` and the state that they lead on from.
  Result<Prompt> BuildPrompt(std::span<const Turn> turns, const ChatState& state,
                             std::span<const int32_t> unread, const Question& question) const;
  Result<Prompt> BuildNext(const Question& question) const;
  Result<Prompt> BuildShortened(const Question& question, const AskOptions& options,
                                size_t* forgotten) const;
  PictureKey CacheKey(const Image& image, const Picture& picture) const;
  Status EncodeOrFind(const Image& image, const AddImageOptions& options, Picture* picture);
  Status EncodeViews(const Image& image, const AddImageOptions& options, Picture* picture);
  Status RunEncoder(Scheduler::Picture& turn, const std::vector<View>& views,
                    const AddImageOptions& options, Picture* picture, std::vector<float>* rows);
  Status CheckRoom(const Prompt& prompt) const;
  Result<Answer> WriteAnswer(const Prompt& prompt, const AskOptions& options,
                             const AskCallbacks& callbacks, Generated* generated);
  void Keep(const Question& question, const Prompt& prompt, const Generated& generated,
            const Answer& answer);
  // Where a question was asked, and all that changes from there on.
  struct Place {
    SequenceMark mark;
    std::vector<int32_t> unread;
    ChatState state;
    size_t turns = 0;
  };
  Place Here() const { return {sequence_->Mark(), unread_, state_, turns_.size()}; }
  void GoBack(const Place& place);
  // Everything of the conversation, to be put back when a shortened one fails.
  struct Whole;
  Whole TakeWhole();
  void PutBack(Whole whole);
  SessionParts parts_;
  std::unique_ptr<TextSequence> sequence_;  // what the model has read of the conversation
  ChatEncoder chat_;
  Trace trace_;
  std::vector<std::unique_ptr<Picture>> pictures_;
  std::vector<Turn> turns_;
  std::optional<std::string> system_;
  ChatState state_;
  std::vector<int32_t> held_;    // ids of the positions that the sequence holds
  std::vector<int32_t> unread_;  // ids of the answer that the model has not read yet
  std::vector<Place> places_;    // before each question that can be taken back
};

}  // namespace mcv
