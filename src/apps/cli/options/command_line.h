// The words of a command line put in order before the parser sees them, so that an option takes one
// value and what stands between options and after "--" stays what it is: pictures and a question.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace CLI {
class App;
}

namespace mcv::cli {

// `words` are those behind the program's name. What comes back means the same to the parser
// whatever the options are followed by: the command, its options with their values, "--", the rest.
// A word that begins with a dash and holds a blank is no option but a question; options that name
// a file or a folder have their tilde expanded. InvalidArgument says what is unknown here, and what
// may have been meant.
Result<std::vector<std::string>> ArrangeArguments(CLI::App& app,
                                                  std::span<const std::string> words);

// The command that `words` name, for messages; "" if it is none.
std::string CommandOf(const CLI::App& app, std::span<const std::string> words);

// Whether an error is to be told as JSON; known before anything is parsed.
bool AsksForJson(std::span<const std::string> words);

}  // namespace mcv::cli
