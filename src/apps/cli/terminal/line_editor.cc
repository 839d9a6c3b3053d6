#include "apps/cli/terminal/line_editor.h"

#include <unistd.h>

#include "apps/cli/terminal/interrupts.h"
#include "apps/cli/terminal/plain_text.h"

namespace mcv::cli {
namespace {

constexpr std::string_view kBlock = "\"\"\"";

// Where a prompt can be seen: the answers' stream, or the notes' where the answers go elsewhere.
std::FILE* PromptStream() {
  if (isatty(STDIN_FILENO) == 0) return nullptr;
  if (isatty(STDOUT_FILENO) != 0) return stdout;
  return isatty(STDERR_FILENO) != 0 ? stderr : nullptr;
}

}  // namespace

LineEditor::LineEditor(Completer completer) : out_(PromptStream()) {
  if (out_ != nullptr) edit_ = EditLineEditor::Open(&input_, out_, std::move(completer));
}

InputLine LineEditor::ReadPlain() {
  InputLine line{InputLine::Kind::kLine, ""};
  while (true) {
    char byte = 0;
    const StandardInput::Got got = input_.Next(&byte);
    if (got == StandardInput::Got::kSignal) {
      if (!Interrupted()) continue;
      return {
          line.text.empty() ? InputLine::Kind::kInterruptedEmpty : InputLine::Kind::kInterrupted,
          ""};
    }
    if (got == StandardInput::Got::kEnd && line.text.empty()) return {};
    if (got == StandardInput::Got::kEnd || byte == '\n') break;
    line.text += byte;
  }
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (first_ && line.text.starts_with(kByteOrderMark)) line.text.erase(0, kByteOrderMark.size());
  first_ = false;
  if (line.text.ends_with('\r')) line.text.pop_back();
  return line;
}

InputLine LineEditor::ReadOne(const std::string& prompt) {
  if (edit_ == nullptr) {
    if (out_ != nullptr) {
      std::fputs(prompt.c_str(), out_);
      std::fflush(out_);
    }
    return ReadPlain();
  }
  std::string text;
  switch (edit_->Read(prompt, &text)) {
    case EditLineEditor::Got::kLine:
      return {InputLine::Kind::kLine, text};
    case EditLineEditor::Got::kInterrupted:
      return {InputLine::Kind::kInterrupted, ""};
    case EditLineEditor::Got::kInterruptedEmpty:
      return {InputLine::Kind::kInterruptedEmpty, ""};
    case EditLineEditor::Got::kEnd:
      break;
  }
  return {};
}

InputLine LineEditor::ReadBlock(InputLine line) {
  std::string text(Trimmed(line.text).substr(kBlock.size()));
  while (!Trimmed(text).ends_with(kBlock)) {
    const InputLine next = ReadOne("... ");
    if (next.kind == InputLine::Kind::kEnd) return {InputLine::Kind::kVerbatim, text};
    if (next.kind != InputLine::Kind::kLine) return {InputLine::Kind::kInterrupted, ""};
    text += "\n" + next.text;
  }
  const std::string_view inside = Trimmed(text);
  return {InputLine::Kind::kVerbatim,
          std::string(Trimmed(inside.substr(0, inside.size() - kBlock.size())))};
}

InputLine LineEditor::Read(const std::string& prompt) {
  InputLine line = ReadOne(prompt);
  if (line.kind != InputLine::Kind::kLine) return line;
  if (Trimmed(line.text).starts_with(kBlock)) return ReadBlock(std::move(line));
  while (line.text.ends_with('\\')) {
    line.text.back() = '\n';
    const InputLine next = ReadOne("... ");
    if (next.kind == InputLine::Kind::kEnd) break;
    if (next.kind != InputLine::Kind::kLine) return {InputLine::Kind::kInterrupted, ""};
    line.text += next.text;
  }
  return line;
}

}  // namespace mcv::cli
