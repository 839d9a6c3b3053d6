#include "tests/docs/markdown.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace mcv {
namespace {

namespace fs = std::filesystem;

// "## Bad input" is linked to as "#bad-input": letters in lower case, blanks as hyphens, the rest
// of the ASCII signs left out.
std::string AnchorOf(std::string_view heading) {
  std::string anchor = "#";
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || byte >= 0x80) {
      anchor += static_cast<char>(std::tolower(byte));
    } else if (c == ' ') {
      anchor += '-';
    }
  }
  return anchor;
}

// Moves `code` spans out of the line, so that brackets inside them are not taken for links.
std::string TakeSpans(std::string_view line, int number, std::vector<MarkdownText>* spans) {
  std::string rest;
  while (true) {
    const size_t open = line.find('`');
    const size_t close = open == std::string_view::npos ? open : line.find('`', open + 1);
    if (close == std::string_view::npos) break;
    spans->push_back({std::string(line.substr(open + 1, close - open - 1)), number});
    rest.append(line.substr(0, open)).append("code");
    line.remove_prefix(close + 1);
  }
  return rest.append(line);
}

void TakeLinks(std::string_view line, int number, std::vector<MarkdownText>* links) {
  for (size_t at = line.find("]("); at != std::string_view::npos; at = line.find("](", at + 2)) {
    const size_t end = line.find_first_of(") ", at + 2);
    if (end == std::string_view::npos) return;
    links->push_back({std::string(line.substr(at + 2, end - at - 2)), number});
  }
}

std::string_view HeadingText(std::string_view line) {
  const size_t hashes = line.find_first_not_of('#');
  if (hashes == 0 || hashes == std::string_view::npos || line[hashes] != ' ') return {};
  return line.substr(hashes + 1);
}

bool IsSkippedFolder(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name == "build" || name == "node_modules";
}

}  // namespace

MarkdownFile ReadMarkdown(const std::string& path, std::string_view text) {
  MarkdownFile file;
  file.path = path;
  bool fenced = false;
  bool continued = false;  // the line before ended in a backslash
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.substr(std::min(line.find_first_not_of(' '), line.size())).starts_with("```")) {
      fenced = !fenced;
      continued = false;
    } else if (fenced) {
      const bool goes_on = line.ends_with('\\');
      if (goes_on) line.remove_suffix(1);
      if (!continued) file.commands.push_back({"", number});
      file.commands.back().text.append(line);
      continued = goes_on;
    } else {
      if (const auto heading = HeadingText(line); !heading.empty()) {
        file.anchors.push_back(AnchorOf(heading));
      }
      TakeLinks(TakeSpans(line, number, &file.spans), number, &file.links);
    }
  }
  return file;
}

std::vector<MarkdownFile> ReadDocumentation(const std::string& root) {
  std::vector<MarkdownFile> files;
  for (fs::recursive_directory_iterator entry(root), end; entry != end; ++entry) {
    if (entry->is_directory() && IsSkippedFolder(entry->path())) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && entry->path().extension() == ".md") {
      std::ifstream stream(entry->path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(stream), {}};
      files.push_back(ReadMarkdown(fs::relative(entry->path(), root).string(), text));
    }
  }
  std::sort(files.begin(), files.end(),
            [](const MarkdownFile& a, const MarkdownFile& b) { return a.path < b.path; });
  return files;
}

bool IsShellOperator(std::string_view word) {
  return !word.empty() && word.find_first_not_of("|&;<>") == std::string_view::npos;
}

std::vector<std::string> ShellWords(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;  // the word has a quoted part, so it counts even if it is empty
  const auto finish = [&] {
    // A quoted "|" is a word, not an operator: the blank keeps the two apart.
    if (quoted && IsShellOperator(word)) word += ' ';
    if (quoted || !word.empty()) words.push_back(word);
    word.clear();
    quoted = false;
  };
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' || c == '\'') {
      const size_t close = std::min(line.find(c, i + 1), line.size());
      word.append(line.substr(i + 1, close - i - 1));
      quoted = true;
      i = close;
    } else if (c == '#' && word.empty() && !quoted) {
      break;
    } else if (c == ' ' || c == '\t') {
      finish();
    } else if (IsShellOperator(line.substr(i, 1))) {
      finish();
      const size_t after = std::min(line.find_first_not_of("|&;<>", i), line.size());
      words.emplace_back(line.substr(i, after - i));
      i = after - 1;
    } else if (c != '[' && c != ']' && c != '(' && c != ')') {
      word += c;
    }
  }
  finish();
  return words;
}

}  // namespace mcv
