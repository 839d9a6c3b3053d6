#include "engine/generation/text_stream.h"

#include <algorithm>
#include <utility>

namespace mcv {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// How many of text's last bytes begin `wanted` without finishing it.
size_t OverlapAtEnd(std::string_view text, std::string_view wanted) {
  for (size_t n = std::min(text.size(), wanted.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == wanted.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, std::vector<std::string> stop_strings,
                       std::function<void(std::string_view)> sink)
    : detokenizer_(tokenizer), stop_strings_(std::move(stop_strings)), sink_(std::move(sink)) {
  std::erase_if(stop_strings_, [](const std::string& s) { return s.empty(); });
}

bool TextStream::Push(int32_t id) {
  if (!stopped_) Take(detokenizer_.Push(id));
  return !stopped_;
}

void TextStream::Finish() {
  if (stopped_) return;
  Take(detokenizer_.Flush());
  if (stopped_) return;
  const size_t last = held_.find_last_not_of(kBlanks);
  if (last != std::string::npos) Send(last + 1);
  held_.clear();
}

void TextStream::Take(std::string_view piece) {
  held_ += piece;
  if (text_.empty()) held_.erase(0, std::min(held_.size(), held_.find_first_not_of(kBlanks)));
  size_t first_stop = std::string::npos;
  for (const std::string& stop : stop_strings_) {
    first_stop = std::min(first_stop, held_.find(stop));
  }
  if (first_stop == std::string::npos) {
    SendCertain();
    return;
  }
  held_.resize(first_stop);
  Send(held_.find_last_not_of(kBlanks) + 1);
  stopped_ = true;
}

void TextStream::SendCertain() {
  size_t uncertain = 0;
  for (const std::string& stop : stop_strings_) {
    uncertain = std::max(uncertain, OverlapAtEnd(held_, stop));
  }
  const std::string_view certain = std::string_view(held_).substr(0, held_.size() - uncertain);
  Send(certain.find_last_not_of(kBlanks) + 1);  // npos + 1 is 0
}

void TextStream::Send(size_t count) {
  if (count == 0) return;
  const std::string piece = held_.substr(0, count);
  held_.erase(0, count);
  text_ += piece;
  if (sink_) sink_(piece);
}

}  // namespace mcv
