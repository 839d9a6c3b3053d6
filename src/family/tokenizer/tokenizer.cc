#include "family/tokenizer/tokenizer.h"

#include <algorithm>

#include "family/tokenizer/utf8.h"

namespace mcv {
namespace {

// What ends an answer in some version of the family (model-spec 1.9). A file's own end token alone
// is not enough: 2.5 names <|end_of_text|> and ends its turns with <|eot_id|>.
constexpr std::string_view kStopNames[] = {"</s>", "<|eot_id|>", "<|end_of_text|>", "<|im_end|>",
                                           "<|endoftext|>"};

// The published clean-up, in its order.
constexpr std::pair<std::string_view, std::string_view> kCleanUps[] = {
    {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
    {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  size_t begin = 0;
  for (size_t found; (found = text.find(from, begin)) != text.npos; begin = found + from.size()) {
    out += text.substr(begin, found - begin);
    out += to;
  }
  return out += text.substr(begin);
}

}  // namespace

Tokenizer::Tokenizer(TokenizerSetup setup)
    : kind_(setup.kind),
      vocabulary_(std::move(setup.vocabulary)),
      specials_(std::move(setup.specials)),
      bos_id_(setup.bos_id),
      eos_id_(setup.eos_id),
      chat_template_(std::move(setup.chat_template)) {
  for (size_t i = 0; i < specials_.size(); ++i) {
    special_trie_.Insert(specials_[i].text, static_cast<int32_t>(i));
  }
  if (eos_id_) stop_ids_.push_back(*eos_id_);
  for (const std::string_view name : kStopNames) {
    const std::optional<int32_t> id = SpecialId(name);
    if (id && IsControl(*id) && !IsStop(*id)) stop_ids_.push_back(*id);
  }
}

std::vector<int32_t> Tokenizer::EncodeText(std::string_view utf8) const {
  std::vector<int32_t> ids;
  if (IsValidUtf8(utf8)) {
    AppendPlain(utf8, TextSource::kTyped, &ids);
  } else {
    AppendPlain(ReplaceMalformedUtf8(utf8), TextSource::kTyped, &ids);
  }
  return ids;
}

std::vector<int32_t> Tokenizer::EncodeWithSpecials(std::string_view utf8) const {
  if (!IsValidUtf8(utf8)) return EncodeWithSpecials(ReplaceMalformedUtf8(utf8));
  std::vector<int32_t> ids;
  const auto append_rest = [&](size_t begin, size_t end) {
    if (begin < end) AppendPlain(utf8.substr(begin, end - begin), TextSource::kReference, &ids);
  };
  size_t begin = 0;
  for (size_t i = 0; i < utf8.size();) {
    const ByteTrie::Match match = special_trie_.Longest(utf8.substr(i));
    if (match.value < 0) {
      ++i;
      continue;
    }
    append_rest(begin, i);
    ids.push_back(specials_[match.value].id);
    begin = i += match.length;
  }
  append_rest(begin, utf8.size());
  return ids;
}

std::optional<int32_t> Tokenizer::SpecialId(std::string_view text) const {
  const ByteTrie::Match match = special_trie_.Longest(text);
  if (match.value < 0 || match.length != text.size()) return std::nullopt;
  return specials_[match.value].id;
}

bool Tokenizer::IsControl(int32_t id) const {
  if (!vocabulary_.Has(id)) return false;
  const TokenKind kind = vocabulary_.kind(id);
  return kind == TokenKind::kControl || kind == TokenKind::kUnknown;
}

bool Tokenizer::IsStop(int32_t id) const {
  return std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end();
}

std::string Tokenizer::TokenBytes(int32_t id) const {
  return vocabulary_.Has(id) ? std::string(vocabulary_.bytes(id)) : std::string();
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, const DecodeOptions& options) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (!vocabulary_.Has(id) || (IsControl(id) && !options.show_control)) continue;
    bytes += vocabulary_.bytes(id);
  }
  std::string text = IsValidUtf8(bytes) ? std::move(bytes) : ReplaceMalformedUtf8(bytes);
  if (options.clean_up_spaces) {
    for (const auto& [from, to] : kCleanUps) text = ReplaceAll(text, from, to);
  }
  return text;
}

std::string Detokenizer::Push(int32_t id) {
  if (tokenizer_.IsControl(id) && !show_control_) return {};
  pending_ += tokenizer_.TokenBytes(id);
  std::string text;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8Scan scan = ScanUtf8(rest);
    if (scan.kind == Utf8Scan::Kind::kCutOff) break;
    text += scan.kind == Utf8Scan::Kind::kCharacter ? rest.substr(0, scan.length)
                                                    : kReplacementCharacter;
    rest.remove_prefix(scan.length);
  }
  pending_ = std::string(rest);
  return text;
}

std::string Detokenizer::Flush() {
  std::string text = ReplaceMalformedUtf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace mcv
