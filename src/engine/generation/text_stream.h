// An answer's tokens as text, piece by piece: whole characters only, nothing of a stop string, no
// blanks around the answer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "family/tokenizer/tokenizer.h"

namespace mcv {

// One answer. The tokenizer must outlive it.
class TextStream {
 public:
  TextStream(const Tokenizer& tokenizer, std::vector<std::string> stop_strings,
             std::function<void(std::string_view)> sink);

  // False once a stop string has appeared; nothing is sent from then on.
  bool Push(int32_t id);
  // Sends what was held back. Call once, after the last token.
  void Finish();
  // Everything sent so far.
  const std::string& text() const { return text_; }

 private:
  void Take(std::string_view piece);
  // Sends held_ up to what may still be the beginning of a stop string or the answer's last blanks.
  void SendCertain();
  void Send(size_t count);

  Detokenizer detokenizer_;
  std::vector<std::string> stop_strings_;
  std::function<void(std::string_view)> sink_;
  std::string held_;  // not sent yet
  std::string text_;
  bool stopped_ = false;
};

}  // namespace mcv
