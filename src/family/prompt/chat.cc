#include "family/prompt/chat.h"

#include <algorithm>

#include "family/prompt/segments.h"

namespace mcv {
namespace {

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
  }
  return "?";
}

// The tokens that every turn of a format needs.
std::vector<std::string_view> NeededTokens(ChatFormat format) {
  switch (format) {
    case ChatFormat::kMiniCpm:
      return {"<s>", "</s>"};
    case ChatFormat::kLlama3:
      return {"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
    case ChatFormat::kChatMl:
      return {"<|im_start|>", "<|im_end|>"};
  }
  return {};
}

constexpr std::string_view kMiniCpmUser = "<用户>";
constexpr std::string_view kMiniCpmAssistant = "<AI>";

}  // namespace

// Segments with control tokens by name; the first name that the tokenizer lacks is remembered.
class ChatEncoder::Writer {
 public:
  explicit Writer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void Text(std::string_view text) { list_.Text(text); }
  void Control(std::string_view name) { list_.Control(IdOf(name)); }
  void Piece(const PlaceholderPiece& piece, int picture) {
    switch (piece.kind) {
      case PlaceholderPiece::Kind::kSpecial:
        return Control(piece.text);
      case PlaceholderPiece::Kind::kText:
        return Text(piece.text);
      case PlaceholderPiece::Kind::kQueries:
        return list_.Rows(IdOf(piece.text), piece.num_queries, picture, piece.view);
    }
  }
  void Append(Writer other) {
    list_.Append(std::move(other.list_));
    if (status_.ok()) status_ = other.status_;
  }
  void Trim() { list_.Trim(); }
  const Status& status() const { return status_; }

  EncodedPrompt Encode() const {
    EncodedPrompt prompt;
    for (const Segment& segment : list_.segments()) {
      switch (segment.kind) {
        case Segment::Kind::kText: {
          const std::vector<int32_t> ids = tokenizer_.EncodeText(segment.text);
          prompt.ids.insert(prompt.ids.end(), ids.begin(), ids.end());
          break;
        }
        case Segment::Kind::kControl:
          prompt.ids.push_back(segment.id);
          break;
        case Segment::Kind::kRows: {
          const int begin = static_cast<int>(prompt.ids.size());
          prompt.ids.insert(prompt.ids.end(), static_cast<size_t>(segment.num_rows), segment.id);
          prompt.spans.push_back({begin, begin + segment.num_rows, segment.picture, segment.view});
          break;
        }
      }
    }
    return prompt;
  }

 private:
  int32_t IdOf(std::string_view name) {
    const std::optional<int32_t> id = tokenizer_.SpecialId(name);
    if (!id && status_.ok()) {
      status_ = NotFound("the tokenizer has no token " + std::string(name) +
                         ", which this version's prompts need; is it another model's tokenizer?");
    }
    return id.value_or(0);
  }

  const Tokenizer& tokenizer_;
  SegmentList list_;
  Status status_;
};

ChatEncoder::ChatEncoder(const Tokenizer& tokenizer, const VersionRow& row, int queries)
    : tokenizer_(&tokenizer), row_(&row), style_{row.placeholders, row.use_image_id, queries} {}

Result<ChatEncoder> ChatEncoder::Create(const Tokenizer& tokenizer, const VersionRow& row,
                                        int queries) {
  if (queries < 0) {
    return InvalidArgument("rows per view: expected 0 or more, got " + std::to_string(queries));
  }
  Writer probe(tokenizer);
  for (const std::string_view name : NeededTokens(row.chat)) probe.Control(name);
  if (!probe.status().ok()) return probe.status().Annotate(std::string(row.name));
  return ChatEncoder(tokenizer, row, queries);
}

Status ChatEncoder::CheckOrder(std::span<const ChatTurn> turns, const ChatState& state) const {
  size_t first_user = 0;
  if (!turns.empty() && turns[0].role == Role::kSystem) {
    if (state.started) {
      return InvalidArgument("a system turn inside a conversation; it must be the first turn");
    }
    if (row_->chat == ChatFormat::kMiniCpm) {
      return Unsupported(std::string(row_->name) +
                         " knows no system prompt; put the text into the question");
    }
    first_user = 1;
  }
  for (size_t i = first_user; i < turns.size(); ++i) {
    const Role expected = (i - first_user) % 2 == 0 ? Role::kUser : Role::kAssistant;
    if (turns[i].role == expected) continue;
    return InvalidArgument("turn " + std::to_string(i) + " is the " +
                           std::string(RoleName(turns[i].role)) + "'s; expected the " +
                           std::string(RoleName(expected)) + "'s");
  }
  if (turns.empty() || turns.back().role != Role::kUser) {
    return InvalidArgument("the last turn must be the user's: it is what gets answered");
  }
  return OkStatus();
}

Status ChatEncoder::CheckParts(const ChatTurn& turn) const {
  bool is_empty = true;
  for (const ContentPart& part : turn.parts) {
    is_empty &= !part.picture && IsBlank(part.text);
    if (!part.picture) continue;
    if (turn.role != Role::kUser) {
      return InvalidArgument("a picture in the " + std::string(RoleName(turn.role)) +
                             "'s turn; only the user shows pictures");
    }
    if (style_.queries == 0) {
      return InvalidArgument("a picture, but the model was loaded without its vision part");
    }
    if (row_->placeholders == PlaceholderFormat::kSingle && part.picture->is_cut()) {
      return InvalidArgument(std::string(row_->name) + " takes uncut pictures only");
    }
  }
  if (is_empty && turn.role == Role::kUser) {
    return InvalidArgument("the question is empty; expected a text or a picture");
  }
  return OkStatus();
}

Status ChatEncoder::WriteContent(const ChatTurn& turn, int* num_pictures, Writer* content) const {
  MCV_RETURN_IF_ERROR(CheckParts(turn));
  for (size_t i = 0; i < turn.parts.size(); ++i) {
    const ContentPart& part = turn.parts[i];
    if (i > 0) content->Text("\n");
    if (!part.picture) {
      content->Text(part.text);
      continue;
    }
    const int picture = (*num_pictures)++;
    for (const PlaceholderPiece& piece : ImagePlaceholder(*part.picture, style_, picture)) {
      content->Piece(piece, picture);
    }
  }
  if (row_->chat == ChatFormat::kLlama3) content->Trim();  // its template trims, ChatML's does not
  return content->status();
}

Status ChatEncoder::WriteHeader(Role role, Writer* writer) const {
  switch (row_->chat) {
    case ChatFormat::kMiniCpm:
      writer->Text(role == Role::kUser ? kMiniCpmUser : kMiniCpmAssistant);
      break;
    case ChatFormat::kLlama3:
      writer->Control("<|start_header_id|>");
      writer->Text(RoleName(role));
      writer->Control("<|end_header_id|>");
      writer->Text("\n\n");
      break;
    case ChatFormat::kChatMl:
      writer->Control("<|im_start|>");
      writer->Text(std::string(RoleName(role)) + "\n");
      break;
  }
  return writer->status();
}

Status ChatEncoder::WriteEnd(Writer* writer) const {
  switch (row_->chat) {
    case ChatFormat::kMiniCpm:
      break;
    case ChatFormat::kLlama3:
      writer->Control("<|eot_id|>");
      break;
    case ChatFormat::kChatMl:
      writer->Control("<|im_end|>");
      writer->Text("\n");
      break;
  }
  return writer->status();
}

Status ChatEncoder::WriteTurn(const ChatTurn& turn, int* num_pictures, Writer* writer) const {
  MCV_RETURN_IF_ERROR(WriteHeader(turn.role, writer));
  Writer content(*tokenizer_);
  MCV_RETURN_IF_ERROR(WriteContent(turn, num_pictures, &content));
  writer->Append(std::move(content));
  return WriteEnd(writer);
}

// What stands before the first turn, or closes the answer that stands open.
Status ChatEncoder::WriteOpening(std::span<const ChatTurn> turns, const ChatState& state,
                                 Writer* writer) const {
  if (state.started) return WriteEnd(writer);
  if (row_->chat == ChatFormat::kMiniCpm) writer->Control("<s>");
  if (row_->chat == ChatFormat::kLlama3) writer->Control("<|begin_of_text|>");
  if (turns[0].role == Role::kSystem || row_->default_system.empty()) return writer->status();
  int num_pictures = 0;
  return WriteTurn(ChatTurn::Text(Role::kSystem, std::string(row_->default_system)), &num_pictures,
                   writer);
}

Result<EncodedPrompt> ChatEncoder::EncodeTurns(std::span<const ChatTurn> turns,
                                               ChatState* state) const {
  MCV_RETURN_IF_ERROR(CheckOrder(turns, *state));
  Writer writer(*tokenizer_);
  MCV_RETURN_IF_ERROR(WriteOpening(turns, *state, &writer));
  int num_pictures = state->num_pictures;
  for (const ChatTurn& turn : turns) {
    MCV_RETURN_IF_ERROR(WriteTurn(turn, &num_pictures, &writer));
  }
  MCV_RETURN_IF_ERROR(WriteHeader(Role::kAssistant, &writer));
  state->started = true;
  state->num_pictures = num_pictures;
  return writer.Encode();
}

std::string ChatEncoder::PromptText(std::span<const int32_t> ids) const {
  const DecodeOptions options{.show_control = true};
  const std::optional<int32_t> unk = tokenizer_->SpecialId("<unk>");
  if (row_->chat == ChatFormat::kMiniCpm && !ids.empty() && ids[0] == tokenizer_->bos_id()) {
    ids = ids.subspan(1);
  }
  std::string text;
  for (size_t i = 0; i < ids.size();) {
    // A stretch of other tokens is decoded at once: a character may lie across several.
    const size_t start = i;
    while (i < ids.size() && ids[i] != unk) ++i;
    text += tokenizer_->Decode(ids.subspan(start, i - start), options);
    const size_t run = i;
    while (i < ids.size() && ids[i] == unk) ++i;
    if (i > run) text += "<unk>";
    if (i > run + 1) text += "*" + std::to_string(i - run);
  }
  return text;
}

std::string NoteOnTemplate(const VersionRow& row, std::string_view chat_template) {
  if (chat_template.empty()) return {};
  const auto has = [&](std::string_view text) {
    return chat_template.find(text) != chat_template.npos;
  };
  struct Marks {
    ChatFormat format;
    std::string_view first, second, name;
  };
  static constexpr Marks kMarks[] = {
      {ChatFormat::kMiniCpm, kMiniCpmUser, kMiniCpmAssistant, "MiniCPM"},
      {ChatFormat::kLlama3, "<|start_header_id|>", "<|eot_id|>", "Llama 3"},
      {ChatFormat::kChatMl, "<|im_start|>", "<|im_end|>", "ChatML"}};
  for (const Marks& marks : kMarks) {
    const bool is_own = marks.format == row.chat;
    const bool looks_like_it = has(marks.first) && has(marks.second);
    if (is_own == looks_like_it) continue;
    return "the file's chat template looks " + std::string(is_own ? "unlike " : "like ") +
           std::string(marks.name) + "'s; " + std::string(row.name) + "'s published format is used";
  }
  if (!row.default_system.empty() && !has(row.default_system)) {
    return "the file's chat template does not set \"" + std::string(row.default_system) +
           "\" as the system text; " + std::string(row.name) + "'s published format does";
  }
  return {};
}

}  // namespace mcv
