// Reads what a person types: with editing and history on a terminal, plain lines from a pipe.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "apps/cli/terminal/edit_line.h"
#include "apps/cli/terminal/standard_input.h"

namespace mcv::cli {

struct InputLine {
  enum class Kind {
    kLine,
    kVerbatim,          // between """ and """: a question, whatever it begins with
    kInterrupted,       // Ctrl-C or a signal; what was typed is dropped
    kInterruptedEmpty,  // the same, and nothing was typed
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;
};

class LineEditor {
 public:
  explicit LineEditor(Completer completer);

  // A line that ends in a backslash is continued by the next, """ begins several lines. From a
  // pipe, the line ends of other systems and a byte order mark are not part of a line.
  InputLine Read(const std::string& prompt);

  // Somebody sits there: standard input is a terminal, and so is what the prompt is written to.
  bool interactive() const { return out_ != nullptr; }

 private:
  InputLine ReadOne(const std::string& prompt);
  InputLine ReadPlain();
  // Up to the closing """; `line` holds the opening one.
  InputLine ReadBlock(InputLine line);

  StandardInput input_;
  std::FILE* out_ = nullptr;  // of the prompt; null: nobody sits there
  std::unique_ptr<EditLineEditor> edit_;
  bool first_ = true;
};

}  // namespace mcv::cli
