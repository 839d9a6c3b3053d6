// Conversations as token ids, by the engine's own tokenizer.
#include <utility>

#include "trainer/data/bpe_builder.h"

namespace mcv::trainer {

NanoTokenizer::NanoTokenizer(std::unique_ptr<Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)) {}

Result<NanoTokenizer> NanoTokenizer::Load(const std::string& folder) {
  MCV_ASSIGN_OR_RETURN(auto tokenizer, LoadTokenizerFromFolder(folder));
  for (const char* needed : {"<|begin_of_text|>", "<|end_of_text|>", "<unk>", "<|start_header_id|>",
                             "<|end_header_id|>", "<|eot_id|>", "<image>", "</image>"}) {
    if (!tokenizer->SpecialId(needed)) {
      return Corrupt(folder + ": the tokenizer has no special token " + needed);
    }
  }
  return NanoTokenizer(std::move(tokenizer));
}

std::vector<int32_t> NanoTokenizer::Encode(std::string_view text, bool special) const {
  return special ? tokenizer_->EncodeWithSpecials(text) : tokenizer_->EncodeText(text);
}

std::string NanoTokenizer::Decode(const std::vector<int32_t>& ids, bool keep_special) const {
  return tokenizer_->Decode(ids, {.show_control = keep_special});
}

int32_t NanoTokenizer::Special(std::string_view name) const {
  const auto id = tokenizer_->SpecialId(name);
  MCV_CHECK(id.has_value());
  return *id;
}

namespace {

// Appends to a conversation; tokens of answers also become the target of the token before them.
class ChatWriter {
 public:
  ChatWriter(const NanoTokenizer& tokenizer, int num_queries)
      : tokenizer_(tokenizer), num_queries_(num_queries) {
    Put(tokenizer.begin_of_text());
  }

  void Header(const char* role) {
    Put(tokenizer_.Special("<|start_header_id|>"));
    Text(role);
    Put(tokenizer_.Special("<|end_header_id|>"));
    Text("\n\n");
  }

  void User(const std::string& question) {
    Header("user");
    if (chat_.image_begin == 0) {
      Put(tokenizer_.image_start());
      chat_.image_begin = static_cast<int>(chat_.ids.size());
      for (int i = 0; i < num_queries_; ++i) Put(tokenizer_.unk());
      Put(tokenizer_.image_end());
      Text("\n" + question);
    } else {
      Text(question);
    }
    Put(tokenizer_.eot());
    Header("assistant");
  }

  void Answer(const std::string& answer) {
    for (int32_t id : tokenizer_.Encode(answer, /*special=*/false)) Put(id, true);
    Put(tokenizer_.eot(), true);
  }

  ChatTokens Finish() { return std::move(chat_); }

 private:
  void Text(const std::string& text) {
    for (int32_t id : tokenizer_.Encode(text, /*special=*/false)) Put(id);
  }
  void Put(int32_t id, bool learn = false) {
    if (learn) chat_.target.back() = id;
    chat_.ids.push_back(id);
    chat_.target.push_back(-1);
  }

  const NanoTokenizer& tokenizer_;
  int num_queries_;
  ChatTokens chat_;
};

}  // namespace

ChatTokens EncodeChat(const NanoTokenizer& tokenizer, const std::vector<Turn>& turns,
                      int num_queries) {
  ChatWriter writer(tokenizer, num_queries);
  for (const Turn& turn : turns) {
    writer.User(turn.question);
    writer.Answer(turn.answer);
  }
  return writer.Finish();
}

ChatTokens EncodePrompt(const NanoTokenizer& tokenizer, const std::vector<Turn>& turns,
                        int num_queries) {
  ChatWriter writer(tokenizer, num_queries);
  for (size_t i = 0; i < turns.size(); ++i) {
    writer.User(turns[i].question);
    if (i + 1 < turns.size()) writer.Answer(turns[i].answer);
  }
  return writer.Finish();
}

}  // namespace mcv::trainer
