// What the words of `minicpmv ask` mean: which of them are pictures and which is the question.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace mcv::cli {

struct AskWords {
  std::vector<std::string> pictures;
  std::string question;
};

// What the command line holds.
struct AskGiven {
  std::vector<std::string> words;     // PICTURE... QUESTION, or pictures alone beside the others
  std::vector<std::string> images;    // --image
  std::optional<std::string> prompt;  // --prompt
  std::optional<std::string> file;    // --file; "-" is standard input
};

// InvalidArgument shows the right form. Neither pictures nor the question are read.
Result<AskWords> SortWords(const AskGiven& given);

// The question's text: a word itself, or, where it comes from a file or ("-") from standard input,
// what is read there, without a byte order mark, with plain line ends and none at its end.
Result<std::string> ReadQuestion(const AskGiven& given, const AskWords& sorted);

}  // namespace mcv::cli
