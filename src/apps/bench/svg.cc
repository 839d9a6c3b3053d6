#include "apps/bench/svg.h"

#include <cstdio>

namespace mcv::bench::svg {
namespace {

constexpr const char* kStyle = R"(<style>
text { font-family: "DejaVu Sans", "Noto Sans", Arial, sans-serif; font-size: 13px; fill: #1f2328; }
.page { fill: #ffffff; } .title { font-size: 17px; font-weight: bold; } .bold { font-weight: bold; }
.small { font-size: 11px; fill: #59636e; } .track { fill: #eef1f4; }
.own { fill: #0b7a75; } .peer { fill: #a3abb4; }
.peer1 { fill: #5b7fa6; } .peer2 { fill: #b08a3e; } .limit { stroke: #c2410c; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .page { fill: #0d1117; } .small { fill: #9aa4af; } .track { fill: #1c232b; }
.own { fill: #2fb5ac; } .peer { fill: #6b7580; }
.peer1 { fill: #7fa3cc; } .peer2 { fill: #c9a55c; } .limit { stroke: #f0883e; }
}
</style>
)";

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Control characters cannot stand in XML, bytes above 127 may be no UTF-8.
        out += static_cast<unsigned char>(c) < 32 || static_cast<unsigned char>(c) > 126 ? '?' : c;
    }
  }
  return out;
}

}  // namespace

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string Text(double x, double y, const char* style, const std::string& text,
                 const char* anchor) {
  return "<text x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" class=\"" + style +
         "\" text-anchor=\"" + anchor + "\">" + Escaped(text) + "</text>\n";
}

std::string Box(double x, double y, double width, double height, const char* style,
                double opacity) {
  return "<rect x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" width=\"" + Number(width) +
         "\" height=\"" + Number(height) + "\" class=\"" + style + "\" opacity=\"" +
         Number(opacity) + "\"/>\n";
}

std::vector<std::string> Wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  std::string rest = text;
  while (rest.size() > width) {
    const size_t blank = rest.rfind(' ', width);
    const size_t end = blank == std::string::npos || blank == 0 ? width : blank;
    lines.push_back(rest.substr(0, end));
    rest.erase(0, end + (end == blank ? 1 : 0));
  }
  lines.push_back(rest);
  return lines;
}

std::string Page(double width, double height, const std::string& title, const std::string& body) {
  const std::string size = Number(width) + "\" height=\"" + Number(height);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size + "\" viewBox=\"0 0 " +
         Number(width) + " " + Number(height) + "\" role=\"img\">\n<title>" + Escaped(title) +
         "</title>\n" + kStyle + Box(0, 0, width, height, "page") + body + "</svg>\n";
}

}  // namespace mcv::bench::svg
