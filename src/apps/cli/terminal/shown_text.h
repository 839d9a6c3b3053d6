// Text that is not ours (names from files, answers, paths) on its way to a terminal: the one place
// where control characters become harmless. An answer may quote a picture, and a picture may show
// anything.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace mcv::cli {

// Control characters and bytes that are no UTF-8 as \xNN; line ends and tabs stay.
std::string Shown(std::string_view text);
// The same for what belongs on one line, such as a name: line ends, tabs and characters that turn
// the direction of writing are shown by their numbers too.
std::string ShownName(std::string_view name);

// Writes Shown(text).
void Print(std::FILE* to, std::string_view text);
// Writes a JSON text, which has escapes of its own.
void PrintJson(std::string_view json);
// Writes an answer to standard output: as it is into a file or a pipe, Shown at a terminal.
void PrintAnswer(std::string_view text);
// Standard output takes nothing any more: its reader is gone or its disk is full.
bool OutputIsClosed();

// Cut so that it takes at most so many columns of a terminal. Characters beyond ASCII are counted
// as two, which some take.
std::string CutToColumns(std::string_view text, size_t columns);

}  // namespace mcv::cli
