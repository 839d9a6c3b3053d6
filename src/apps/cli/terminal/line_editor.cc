#include "apps/cli/terminal/line_editor.h"

#include <editline/readline.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <iostream>
#include <memory>

namespace mcv::cli {

LineEditor::LineEditor() : interactive_(isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
  if (!interactive_) return;
  std::setlocale(LC_CTYPE, "");  // so that the cursor moves by characters, not bytes
  rl_initialize();
  using_history();
}

std::optional<std::string> LineEditor::ReadOne(const std::string& prompt) {
  if (!interactive_) {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  const std::unique_ptr<char, decltype(&std::free)> line(readline(prompt.c_str()), &std::free);
  if (line == nullptr) return std::nullopt;
  if (*line != '\0') add_history(line.get());
  return std::string(line.get());
}

std::optional<std::string> LineEditor::Read(const std::string& prompt) {
  auto text = ReadOne(prompt);
  while (text && !text->empty() && text->back() == '\\') {
    text->back() = '\n';
    const auto next = ReadOne("  ");
    if (!next) break;
    *text += *next;
  }
  return text;
}

}  // namespace mcv::cli
