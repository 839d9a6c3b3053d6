// Cuts text into words, numbers, punctuation and blanks before byte-pair merging, by the rules of
// Llama 3 and Qwen2 (model-spec 5.2 and 5.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"

struct pcre2_real_code_8;

namespace mcv {

enum class SplitRule {
  kLlama3,  // numbers in groups of one to three digits
  kQwen2,   // every digit alone
};

// The regular expression as tokenizer.json writes it, for recognising a file's rule.
std::string_view PublishedPattern(SplitRule rule);

// Immutable; any number of threads may split at once.
class PreTokenizer {
 public:
  static Result<PreTokenizer> Create(SplitRule rule);

  // Appends the end offset of every piece; pieces follow each other and cover the text. `utf8` must
  // be valid. Time is linear in the length, whatever the text.
  void Split(std::string_view utf8, std::vector<size_t>* ends) const;

 private:
  std::shared_ptr<const pcre2_real_code_8> code_;
};

}  // namespace mcv
