#include "apps/cli/terminal/shown_text.h"

#include <unistd.h>

#include "family/tokenizer/utf8.h"

namespace mcv::cli {
namespace {

void AppendHex(std::string_view bytes, std::string* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *out += "\\x";
    *out += kDigits[byte >> 4];
    *out += kDigits[byte & 15];
  }
}

// C0, DEL and C1: what terminals obey.
bool IsControl(char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0); }

// Marks that reorder what stands around them, so that a name reads as another.
bool TurnsDirection(char32_t c) {
  return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

std::string Harmless(std::string_view text, bool one_line) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Scan scan = ScanUtf8(text);
    const std::string_view piece = text.substr(0, scan.length);
    text.remove_prefix(scan.length);
    if (scan.kind != Utf8Scan::Kind::kCharacter) {
      AppendHex(piece, &out);
      continue;
    }
    const char32_t c = CodePointOf(piece);
    const bool line_end = c == '\n' || (c == '\r' && text.starts_with('\n'));
    const bool kept =
        one_line ? !IsControl(c) && !TurnsDirection(c) : !IsControl(c) || c == '\t' || line_end;
    if (kept) {
      out += piece;
    } else {
      AppendHex(piece, &out);
    }
  }
  return out;
}

}  // namespace

std::string Shown(std::string_view text) { return Harmless(text, /*one_line=*/false); }

std::string ShownName(std::string_view name) { return Harmless(name, /*one_line=*/true); }

void Print(std::FILE* to, std::string_view text) {
  const std::string shown = Shown(text);
  std::fwrite(shown.data(), 1, shown.size(), to);
  std::fflush(to);
}

void PrintJson(std::string_view json) {
  std::fwrite(json.data(), 1, json.size(), stdout);
  std::fflush(stdout);
}

void PrintAnswer(std::string_view text) {
  static const bool terminal = isatty(STDOUT_FILENO) != 0;
  if (terminal) return Print(stdout, text);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

bool OutputIsClosed() { return std::ferror(stdout) != 0; }

std::string CutToColumns(std::string_view text, size_t columns) {
  size_t taken = 0;
  size_t end = 0;
  while (end < text.size()) {
    const Utf8Scan scan = ScanUtf8(text.substr(end));
    const size_t width = scan.length == 1 ? 1 : 2;
    if (taken + width > columns) break;
    taken += width;
    end += scan.length;
  }
  return std::string(text.substr(0, end));
}

}  // namespace mcv::cli
