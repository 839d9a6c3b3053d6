// What the documentation tests see of a Markdown file: where it points and what it says to type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mcv {

// A piece of text with the line it begins on (1 is the first).
struct MarkdownText {
  std::string text;
  int line = 0;
};

struct MarkdownFile {
  std::string path;                    // from the repository's root: "docs/cli.md"
  std::vector<MarkdownText> links;     // targets of [text](target) and ![text](target)
  std::vector<MarkdownText> commands;  // lines of fenced blocks (continued lines joined)
  std::vector<MarkdownText> spans;     // `code` within a line
  std::vector<std::string> anchors;    // headings as links name them: "#in-lower-case"
};

MarkdownFile ReadMarkdown(const std::string& path, std::string_view text);

// Every *.md of the repository but those in build and hidden folders, sorted by path.
std::vector<MarkdownFile> ReadDocumentation(const std::string& root);

// A command line's words as a shell splits them, without quotes and comments. An operator
// (| || && ; > < and their kin) is a word of its own; a quoted word is never an operator.
std::vector<std::string> ShellWords(std::string_view line);

// The words after each word that `is_program` accepts, up to the next operator: what a line gives
// that program. "[--json]" is taken as "--json".
template <typename IsProgram>
std::vector<std::vector<std::string>> CallsOf(std::string_view line, const IsProgram& is_program);

bool IsShellOperator(std::string_view word);

template <typename IsProgram>
std::vector<std::vector<std::string>> CallsOf(std::string_view line, const IsProgram& is_program) {
  std::vector<std::vector<std::string>> calls;
  bool inside = false;
  for (const std::string& word : ShellWords(line)) {
    if (IsShellOperator(word)) {
      inside = false;
    } else if (!inside && is_program(word)) {
      calls.emplace_back();
      inside = true;
    } else if (inside) {
      calls.back().push_back(word);
    }
  }
  return calls;
}

}  // namespace mcv
