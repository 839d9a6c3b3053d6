// libedit is driven by its own interface, not by its imitation of readline: that one drops what the
// locale cannot write, and knows neither pasted text nor a Ctrl-C that keeps the program going.
//
// Bytes are read and decoded here, whatever the locale is, so that a signal wakes the prompt up and
// no letter is lost. Only drawing needs the locale.
#include "apps/cli/terminal/edit_line.h"

#include <histedit.h>
#include <langinfo.h>
#include <termios.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "apps/cli/terminal/interrupts.h"
#include "apps/cli/terminal/shown_text.h"
#include "family/tokenizer/utf8.h"

namespace mcv::cli {
namespace {

constexpr wchar_t kCtrlC = L'\x03';
constexpr wchar_t kReplacement = 0xfffd;
constexpr wchar_t kEndOfPaste[] = L"\033[201~";
constexpr char kPasteOn[] = "\033[?2004h";
constexpr char kPasteOff[] = "\033[?2004l";

// Only LC_CTYPE: numbers are read and written as in C everywhere.
bool UseUtf8() {
  for (const char* name : {"", "C.UTF-8", "C.utf8", "en_US.UTF-8"}) {
    if (std::setlocale(LC_CTYPE, name) == nullptr) continue;
    if (std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0) return true;
  }
  std::setlocale(LC_CTYPE, "C");
  return false;
}

bool TerminalMovesCursor() {
  const char* term = std::getenv("TERM");
  return term != nullptr && *term != '\0' && std::strcmp(term, "dumb") != 0;
}

void AppendUtf8(char32_t c, std::string* out) {
  if (c < 0x80) {
    *out += static_cast<char>(c);
  } else if (c < 0x800) {
    *out += static_cast<char>(0xc0 | (c >> 6));
    *out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *out += static_cast<char>(0xe0 | (c >> 12));
    *out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    *out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    *out += static_cast<char>(0xf0 | (c >> 18));
    *out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
    *out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    *out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

std::string ToUtf8(const wchar_t* begin, const wchar_t* end) {
  std::string text;
  for (; begin != end; ++begin) AppendUtf8(static_cast<char32_t>(*begin), &text);
  return text;
}

std::wstring ToWide(std::string_view text) {
  std::wstring wide;
  while (!text.empty()) {
    const Utf8Scan scan = ScanUtf8(text);
    wide += scan.kind == Utf8Scan::Kind::kCharacter
                ? static_cast<wchar_t>(CodePointOf(text.substr(0, scan.length)))
                : kReplacement;
    text.remove_prefix(scan.length);
  }
  return wide;
}

// Line ends of a paste as they were meant: terminals send CR, and libedit has CR and LF swapped.
std::wstring PlainLines(const std::wstring& pasted) {
  std::wstring text;
  for (size_t i = 0; i < pasted.size(); ++i) {
    const wchar_t c = pasted[i];
    if (c != L'\r' && c != L'\n') {
      text += c;
      continue;
    }
    text += L'\n';
    const wchar_t next = i + 1 < pasted.size() ? pasted[i + 1] : c;
    if ((next == L'\r' || next == L'\n') && next != c) ++i;
  }
  return text;
}

}  // namespace

struct EditLineEditor::Parts {
  ~Parts() {
    if (line != nullptr) el_end(line);
    if (history != nullptr) history_wend(history);
  }

  EditLine* line = nullptr;
  HistoryW* history = nullptr;
  StandardInput* input = nullptr;
  std::FILE* out = nullptr;
  Completer completer;
  std::wstring prompt;
  bool interrupted = false;
  bool interrupted_empty = false;
  bool end = false;

  static Parts& Of(EditLine* line) {
    void* data = nullptr;
    el_wget(line, EL_CLIENTDATA, &data);
    return *static_cast<Parts*>(data);
  }

  static wchar_t* Prompt(EditLine* line) { return Of(line).prompt.data(); }

  // After a signal: 1 and a key, 0 to end, or nothing to go on.
  std::optional<int> AfterSignal(wchar_t* key) {
    if (Terminating()) return 0;
    if (Interrupted()) {
      *key = kCtrlC;
      return 1;
    }
    // The window changed, or the program was stopped and its terminal belonged to others.
    el_set(line, EL_PREP_TERM, 1);
    el_resize(line);
    el_set(line, EL_REFRESH);
    return std::nullopt;
  }

  static int ReadKey(EditLine* line, wchar_t* key) {
    Parts& parts = Of(line);
    std::string bytes;
    while (true) {
      char byte = 0;
      switch (parts.input->Next(&byte)) {
        case StandardInput::Got::kEnd:
          parts.end = true;
          return 0;
        case StandardInput::Got::kSignal:
          if (const auto done = parts.AfterSignal(key)) return *done;
          continue;
        case StandardInput::Got::kByte:
          break;
      }
      bytes += byte;
      const Utf8Scan scan = ScanUtf8(bytes);
      if (scan.kind == Utf8Scan::Kind::kCutOff) continue;
      *key = scan.kind == Utf8Scan::Kind::kCharacter ? static_cast<wchar_t>(CodePointOf(bytes))
                                                     : kReplacement;
      return 1;
    }
  }

  static unsigned char OnInterrupt(EditLine* line, int) {
    Parts& parts = Of(line);
    const LineInfoW* info = el_wline(line);
    parts.interrupted = true;
    parts.interrupted_empty = info->lastchar == info->buffer;
    std::fputs("^C\n", parts.out);
    return CC_EOF;
  }

  static unsigned char OnPaste(EditLine* line, int) {
    std::wstring pasted;
    const std::wstring_view end = kEndOfPaste;
    wchar_t key = 0;
    while (!pasted.ends_with(end)) {
      if (el_wgetc(line, &key) != 1) return CC_EOF;
      pasted += key;
    }
    pasted.resize(pasted.size() - end.size());
    std::erase(pasted, L'\0');
    return el_winsertstr(line, PlainLines(pasted).c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  static unsigned char OnNewLine(EditLine* line, int) {
    return el_winsertstr(line, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
  }

  static unsigned char OnTab(EditLine* line, int) {
    Parts& parts = Of(line);
    const LineInfoW* info = el_wline(line);
    const Completion found = parts.completer(ToUtf8(info->buffer, info->cursor));
    if (!found.insert.empty()) {
      return el_winsertstr(line, ToWide(found.insert).c_str()) == 0 ? CC_REFRESH : CC_ERROR;
    }
    if (found.choices.empty()) {
      return el_winsertstr(line, L"\t") == 0 ? CC_REFRESH : CC_ERROR;
    }
    std::string list = "\n";
    for (const std::string& choice : found.choices) list += ShownName(choice) + "\n";
    Print(parts.out, list);
    return CC_REDISPLAY;
  }

  void Bind() {
    el_wset(line, EL_ADDFN, L"mcv-interrupt", L"Drop the line", &OnInterrupt);
    el_wset(line, EL_ADDFN, L"mcv-paste", L"Insert what is pasted", &OnPaste);
    el_wset(line, EL_ADDFN, L"mcv-new-line", L"Begin a new line", &OnNewLine);
    el_wset(line, EL_ADDFN, L"mcv-tab", L"Complete, or insert a tab", &OnTab);
    const wchar_t* const keys[][2] = {
        {L"^C", L"mcv-interrupt"},
        {L"\\e[200~", L"mcv-paste"},
        {L"\\e^M", L"mcv-new-line"},
        {L"\\e^J", L"mcv-new-line"},
        {L"^I", L"mcv-tab"},
        {L"^R", L"em-inc-search-prev"},
        {L"\\e[1~", L"ed-move-to-beg"},
        {L"\\e[4~", L"ed-move-to-end"},
        {L"\\e[7~", L"ed-move-to-beg"},
        {L"\\e[8~", L"ed-move-to-end"},
        {L"\\e[H", L"ed-move-to-beg"},
        {L"\\e[F", L"ed-move-to-end"},
        {L"\\e[3~", L"ed-delete-next-char"},
        {L"\\e[2~", L"ed-quoted-insert"},
        {L"\\e[1;5C", L"em-next-word"},
        {L"\\e[1;5D", L"ed-prev-word"},
        {L"\\e[5C", L"em-next-word"},
        {L"\\e[5D", L"ed-prev-word"},
    };
    for (const auto& key : keys) el_wset(line, EL_BIND, key[0], key[1], nullptr);
  }
};

std::unique_ptr<EditLineEditor> EditLineEditor::Open(StandardInput* input, std::FILE* out,
                                                     Completer completer) {
  if (!TerminalMovesCursor() || !UseUtf8()) return nullptr;
  auto parts = std::make_unique<Parts>();
  parts->input = input;
  parts->out = out;
  parts->completer = std::move(completer);
  parts->line = el_init("minicpmv", stdin, out, stderr);
  parts->history = history_winit();
  if (parts->line == nullptr || parts->history == nullptr) return nullptr;
  constexpr int kLinesRemembered = 1000;
  HistEventW event;
  history_w(parts->history, &event, H_SETSIZE, kLinesRemembered);
  history_w(parts->history, &event, H_SETUNIQUE, 1);
  el_wset(parts->line, EL_CLIENTDATA, parts.get());
  el_wset(parts->line, EL_HIST, history_w, parts->history);
  el_wset(parts->line, EL_EDITOR, L"emacs");
  el_wset(parts->line, EL_PROMPT, &Parts::Prompt);
  el_wset(parts->line, EL_GETCFN, &Parts::ReadKey);
  parts->Bind();
  el_source(parts->line, nullptr);  // the user's own ~/.editrc
  return std::unique_ptr<EditLineEditor>(new EditLineEditor(std::move(parts)));
}

EditLineEditor::EditLineEditor(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
EditLineEditor::~EditLineEditor() = default;

EditLineEditor::Got EditLineEditor::Read(const std::string& prompt, std::string* line) {
  Parts& parts = *parts_;
  parts.prompt = ToWide(prompt);
  parts.interrupted = parts.interrupted_empty = parts.end = false;
  std::fputs(kPasteOn, parts.out);
  std::fflush(parts.out);
  int length = 0;
  const wchar_t* read = el_wgets(parts.line, &length);
  std::fputs(kPasteOff, parts.out);
  std::fflush(parts.out);
  if (parts.interrupted)
    return parts.interrupted_empty ? Got::kInterruptedEmpty : Got::kInterrupted;
  if (Terminating()) return Got::kInterrupted;
  if (read == nullptr || length <= 0) return Got::kEnd;
  std::wstring_view typed(read, static_cast<size_t>(length));
  if (typed.ends_with(L'\n')) typed.remove_suffix(1);
  *line = ToUtf8(typed.data(), typed.data() + typed.size());
  if (!typed.empty()) {
    HistEventW event;
    history_w(parts.history, &event, H_ENTER, std::wstring(typed).c_str());
  }
  return Got::kLine;
}

}  // namespace mcv::cli
