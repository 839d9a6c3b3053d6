// Reads what a person types: with editing and history on a terminal, plain lines from a pipe.
#pragma once

#include <optional>
#include <string>

namespace mcv::cli {

class LineEditor {
 public:
  LineEditor();
  // Nothing at the end of input. A line that ends in a backslash is continued by the next.
  std::optional<std::string> Read(const std::string& prompt);
  bool interactive() const { return interactive_; }

 private:
  std::optional<std::string> ReadOne(const std::string& prompt);
  bool interactive_;
};

}  // namespace mcv::cli
