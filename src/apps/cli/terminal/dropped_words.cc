#include "apps/cli/terminal/dropped_words.h"

#include <cctype>
#include <charconv>

#include "apps/cli/options/home_path.h"

namespace mcv::cli {
namespace {

constexpr std::string_view kFileAddress = "file://";

bool IsBlankByte(char c) { return c == ' ' || c == '\t' || c == '\n'; }
bool IsQuote(char c) { return c == '\'' || c == '"'; }

// Reads one word as a shell does.
class WordReader {
 public:
  WordReader(std::string_view text, size_t begin) : text_(text) { word_.begin = begin; }

  DroppedWord Read() {
    const bool quotes = IsQuote(text_[word_.begin]) || BeginsAsPath(text_.substr(word_.begin));
    size_t at = word_.begin;
    while (at < text_.size() && !IsBlankByte(text_[at])) {
      const char c = text_[at];
      if (c == '\\' && at + 1 < text_.size()) {
        word_.text += text_[at + 1];
        at += 2;
      } else if (quotes && IsQuote(c)) {
        at = ReadQuoted(at);
      } else {
        word_.text += c;
        ++at;
      }
    }
    word_.end = at;
    return word_;
  }

 private:
  // Behind the closing quote. Without one the quote is a letter like others, but told.
  size_t ReadQuoted(size_t at) {
    const char quote = text_[at];
    std::string inside;
    for (size_t i = at + 1; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == quote) {
        word_.text += inside;
        return i + 1;
      }
      if (quote == '"' && c == '\\' && i + 1 < text_.size() &&
          std::string_view("\\\"$`").find(text_[i + 1]) != std::string_view::npos) {
        ++i;
      }
      inside += text_[i];
    }
    if (at == word_.begin) word_.quote = quote;
    word_.text += quote;
    return at + 1;
  }

  std::string_view text_;
  DroppedWord word_;
};

// "%20" as a blank; what is no such pair stays.
std::string Unpercented(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      const char* begin = text.data() + i + 1;
      const auto [end, error] = std::from_chars(begin, begin + 2, byte, 16);
      if (error == std::errc() && end == begin + 2 && byte != 0) {
        out += static_cast<char>(byte);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

}  // namespace

std::vector<DroppedWord> SplitDropped(std::string_view text) {
  std::vector<DroppedWord> words;
  for (size_t at = 0; at < text.size();) {
    if (IsBlankByte(text[at])) {
      ++at;
      continue;
    }
    DroppedWord word = WordReader(text, at).Read();
    at = word.end;
    if (word.quote != '\0') {  // unfinished: everything behind the quote
      word.end = at = text.size();
      word.text = text.substr(word.begin + 1);
    }
    words.push_back(std::move(word));
  }
  return words;
}

std::string DroppedPath(const std::string& text) {
  if (!text.starts_with(kFileAddress)) return ExpandHome(text);
  const size_t path = text.find('/', kFileAddress.size());  // behind the machine's name
  return path == std::string::npos ? text : Unpercented(std::string_view(text).substr(path));
}

bool BeginsAsPath(std::string_view word) {
  for (const std::string_view beginning : {"/", "~/", "./", "../", "file://"}) {
    if (word.starts_with(beginning)) return true;
  }
  return false;
}

std::string Escaped(std::string_view name, char quote) {
  std::string out;
  for (const char c : name) {
    const bool special = quote == '\0' ? IsBlankByte(c) || IsQuote(c) || c == '\\'
                         : quote == '"'
                             ? std::string_view("\\\"$`").find(c) != std::string_view::npos
                             : false;
    if (special) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace mcv::cli
