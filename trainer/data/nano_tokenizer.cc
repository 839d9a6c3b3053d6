#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "trainer/data/bpe_builder.h"
#include "trainer/data/byte_level.h"

namespace mcv::trainer {

Result<NanoTokenizer> NanoTokenizer::Load(const std::string& folder) {
  const std::string path = folder + "/tokenizer.json";
  std::ifstream file(path);
  if (!file) return NotFound(path + ": cannot open the tokenizer");
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("model") || !json["model"].contains("vocab") ||
      !json["model"].contains("merges") || !json.contains("added_tokens")) {
    return Corrupt(path + ": not a byte-level BPE tokenizer.json");
  }
  NanoTokenizer tokenizer;
  const auto put = [&](size_t id, std::string bytes, bool special) {
    if (id >= tokenizer.pieces_.size()) {
      tokenizer.pieces_.resize(id + 1);
      tokenizer.is_special_.resize(id + 1, false);
    }
    tokenizer.is_special_[id] = special;
    const int32_t small = static_cast<int32_t>(id);
    special ? void(tokenizer.specials_[bytes] = small) : void(tokenizer.ids_[bytes] = small);
    tokenizer.pieces_[id] = std::move(bytes);
  };
  constexpr size_t kMostTokens = 1 << 20;
  for (const auto& [text, id] : json["model"]["vocab"].items()) {
    if (!id.is_number_unsigned() || id.get<size_t>() > kMostTokens) {
      return Corrupt(path + ": the id of \"" + text + "\" is not a number below 2^20");
    }
    put(id.get<size_t>(), PrintableToBytes(text), false);
  }
  for (const auto& token : json["added_tokens"]) {
    put(token.at("id").get<size_t>(), token.at("content").get<std::string>(), true);
  }
  int rank = 0;
  for (const auto& merge : json["model"]["merges"]) {
    const std::string text = merge.get<std::string>();
    const size_t space = text.find(' ');
    const std::string left = PrintableToBytes(text.substr(0, space));
    const std::string right = PrintableToBytes(text.substr(space + 1));
    tokenizer.merges_[{tokenizer.ids_[left], tokenizer.ids_[right]}] = {
        rank++, tokenizer.ids_[left + right]};
  }
  return tokenizer;
}

void NanoTokenizer::AppendPiece(const std::string& piece, std::vector<int32_t>& ids) const {
  if (const auto whole = ids_.find(piece); whole != ids_.end()) {
    ids.push_back(whole->second);
    return;
  }
  std::vector<int32_t> parts;
  for (char c : piece) parts.push_back(ids_.at(std::string(1, c)));
  for (;;) {
    int best_rank = std::numeric_limits<int>::max();
    size_t best = 0;
    int32_t merged = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = merges_.find({parts[i], parts[i + 1]});
      if (found == merges_.end() || found->second.first >= best_rank) continue;
      best_rank = found->second.first;
      best = i;
      merged = found->second.second;
    }
    if (best_rank == std::numeric_limits<int>::max()) break;
    parts[best] = merged;
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  ids.insert(ids.end(), parts.begin(), parts.end());
}

std::vector<int32_t> NanoTokenizer::Encode(std::string_view text, bool special) const {
  std::vector<int32_t> ids;
  size_t plain_begin = 0;
  const auto flush = [&](size_t end) {
    for (const std::string& piece : PreTokenise(text.substr(plain_begin, end - plain_begin))) {
      AppendPiece(piece, ids);
    }
  };
  for (size_t at = 0; special && at < text.size();) {
    const std::pair<const std::string, int32_t>* longest = nullptr;
    for (const auto& candidate : specials_) {
      if (text.substr(at).starts_with(candidate.first) &&
          (longest == nullptr || candidate.first.size() > longest->first.size())) {
        longest = &candidate;
      }
    }
    if (longest == nullptr) {
      ++at;
      continue;
    }
    flush(at);
    ids.push_back(longest->second);
    at += longest->first.size();
    plain_begin = at;
  }
  flush(text.size());
  return ids;
}

std::string NanoTokenizer::Decode(const std::vector<int32_t>& ids, bool keep_special) const {
  std::string text;
  for (int32_t id : ids) {
    if (id < 0 || id >= vocabulary_size()) continue;
    if (!is_special_[id] || keep_special) text += pieces_[id];
  }
  return text;
}

int32_t NanoTokenizer::Special(std::string_view name) const {
  const auto found = specials_.find(name);
  MCV_CHECK(found != specials_.end());
  return found->second;
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
