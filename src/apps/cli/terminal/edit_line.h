// A line typed at a terminal, with editing and history by libedit.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "apps/cli/terminal/path_completion.h"
#include "apps/cli/terminal/standard_input.h"

namespace mcv::cli {

// What Tab does with the line up to the cursor; nothing to insert and no choices: a tab is typed.
using Completer = std::function<Completion(std::string_view line)>;

class EditLineEditor {
 public:
  enum class Got {
    kLine,
    kInterrupted,       // Ctrl-C, or a signal that ends the process; the line is dropped
    kInterruptedEmpty,  // the same on a line with nothing on it
    kEnd,               // Ctrl-D
  };

  // Null where libedit could not show every character: without a terminal that can move its
  // cursor, or without any locale in UTF-8. `out` is where the line is drawn.
  static std::unique_ptr<EditLineEditor> Open(StandardInput* input, std::FILE* out,
                                              Completer completer);
  ~EditLineEditor();
  EditLineEditor(const EditLineEditor&) = delete;
  EditLineEditor& operator=(const EditLineEditor&) = delete;

  // What is pasted keeps its tabs and line ends.
  Got Read(const std::string& prompt, std::string* line);

 private:
  struct Parts;
  explicit EditLineEditor(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace mcv::cli
