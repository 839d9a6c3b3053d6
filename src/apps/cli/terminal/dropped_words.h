// Words as terminals type them when somebody drops files on them: blanks stand behind a backslash
// or between quotes, and some write a file's address.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mcv::cli {

struct DroppedWord {
  size_t begin = 0;  // in the text
  size_t end = 0;
  std::string text;   // without quotes and backslashes
  char quote = '\0';  // that began the word and is not closed
};

// A quote counts where it begins a word and is closed, and inside of paths; the apostrophe of a
// sentence does not. The last word may be unfinished: its quote is told, and `text` is what stands
// behind it.
std::vector<DroppedWord> SplitDropped(std::string_view text);

// A word's text as a path: the tilde and "file://" with its %20 are understood.
std::string DroppedPath(const std::string& text);

// Whether a word begins as no sentence does: with a slash, a tilde or a dot and a slash, or as an
// address of a file.
bool BeginsAsPath(std::string_view word);

// `name` so that SplitDropped gives it back: inside of an open `quote`, else with backslashes.
std::string Escaped(std::string_view name, char quote);

}  // namespace mcv::cli
