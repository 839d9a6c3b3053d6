// A conversation with pictures as token ids: the published chat formats of the family (model-spec
// 1.9), written from the version's row and never from the Jinja text that came with a file.
//
// What people wrote is encoded as plain text, so a typed "<|eot_id|>" or "<image>" is letters to
// the model. One thing can not be told apart: 1.0 and 2.0 mark turns with the ordinary words
// "<用户>" and
// "<AI>", which have no tokens of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/tokenizer.h"
#include "family/versions.h"
#include "family/vision/placeholders.h"
#include "family/vision/slicing.h"

namespace mcv {

enum class Role { kSystem, kUser, kAssistant };

// Text, or a picture by the plan of its views (then `text` is not used).
struct ContentPart {
  std::string text;
  std::optional<SlicePlan> picture;
};

// Parts are joined by newlines, as the published code does. Only users show pictures.
struct ChatTurn {
  Role role = Role::kUser;
  std::vector<ContentPart> parts;

  static ChatTurn Text(Role role, std::string text) { return {role, {{std::move(text), {}}}}; }
};

// The ids [begin, end) hold places for the rows of one view.
struct ImageSpan {
  int begin = 0;
  int end = 0;
  int picture = 0;  // counted over the whole conversation from 0
  int view = 0;     // 0 is the overview, then the cells row by row
  friend bool operator==(const ImageSpan&, const ImageSpan&) = default;
};

struct EncodedPrompt {
  std::vector<int32_t> ids;
  std::vector<ImageSpan> spans;  // in order, each inside ids
};

// Where a conversation stands. Copy it to be able to go back.
struct ChatState {
  bool started = false;  // something was encoded, and an answer stands open
  int num_pictures = 0;
};

// Immutable; any number of threads may encode. The tokenizer must outlive it.
class ChatEncoder {
 public:
  // queries: rows per view, of the model's resampler (0: the model sees no pictures). Fails when
  // the tokenizer lacks the tokens that turns are made of.
  static Result<ChatEncoder> Create(const Tokenizer& tokenizer, const VersionRow& row, int queries);

  // The ids that lead from `state` to where the model writes its answer; `state` moves on only on
  // success. Spans count from the beginning of the returned ids.
  //
  // Turns: at the beginning of a conversation optionally a system turn, then user and assistant
  // turns alternating, the last one of the user. A fresh state and a whole conversation give what
  // the reference gives for it, token by token.
  //
  // A session calls this once per user turn and keeps in its cache, in this order, the returned ids
  // and the answer's ids without the end token that stopped it. The next call's ids begin with the
  // answer's end (<|eot_id|>; <|im_end|> and a newline; nothing in 1.0 and 2.0), also when the
  // answer was cut off by a limit or cancelled. So the cache is always a prefix of the longer
  // conversation, and nothing is computed twice. The ids can differ from those of the whole
  // conversation at the two ends of an answer, where the model's own choice of tokens stands in
  // place of the tokenizer's.
  Result<EncodedPrompt> EncodeTurns(std::span<const ChatTurn> turns, ChatState* state) const;

  // For people and for comparing with the reference: all tokens by name, a run of N placeholders as
  // "<unk>*N", without the BOS of 1.0 and 2.0, which their tokenizer adds.
  std::string PromptText(std::span<const int32_t> ids) const;

 private:
  class Writer;
  ChatEncoder(const Tokenizer& tokenizer, const VersionRow& row, int queries);

  Status CheckOrder(std::span<const ChatTurn> turns, const ChatState& state) const;
  Status CheckParts(const ChatTurn& turn) const;
  Status WriteOpening(std::span<const ChatTurn> turns, const ChatState& state,
                      Writer* writer) const;
  Status WriteTurn(const ChatTurn& turn, int* num_pictures, Writer* writer) const;
  Status WriteContent(const ChatTurn& turn, int* num_pictures, Writer* content) const;
  Status WriteEnd(Writer* writer) const;
  Status WriteHeader(Role role, Writer* writer) const;

  const Tokenizer* tokenizer_;
  const VersionRow* row_;
  PlaceholderStyle style_;
};

// One line for people if `chat_template` (the file's Jinja text) does not look like the version's
// published one: the answers may then be worse than the model can. Empty if it does, or if there is
// none.
std::string NoteOnTemplate(const VersionRow& row, std::string_view chat_template);

}  // namespace mcv
