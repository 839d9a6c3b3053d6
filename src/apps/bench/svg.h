// The parts that the charts are drawn of. Lengths in the picture's own units.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mcv::bench::svg {

// What the charts have in common.
inline constexpr double kWidth = 980, kMargin = 24, kLineHeight = 17;
inline constexpr size_t kCharactersPerLine = 138;

// Styles are classes: "", "bold", "small", "title" for texts; "own", "peer", "peer1", "peer2",
// "track", "page" for boxes; "limit" for lines. Texts may hold anything: what XML cannot take is
// replaced.
std::string Number(double value);
std::string Text(double x, double y, const char* style, const std::string& text,
                 const char* anchor = "start");
std::string Box(double x, double y, double width, double height, const char* style,
                double opacity = 1.0);
// At blanks where there are any.
std::vector<std::string> Wrapped(const std::string& text, size_t width);
// The whole file: well-formed XML, readable on light and on dark pages.
std::string Page(double width, double height, const std::string& title, const std::string& body);

}  // namespace mcv::bench::svg
