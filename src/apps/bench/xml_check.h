// For tests: whether a picture is well-formed XML.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace mcv::bench {

// What is wrong with the XML, or "": every tag is closed in order, attributes are quoted, text
// holds no bare < or &.
inline std::string MistakeIn(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = 0; at < xml.size();) {
    if (static_cast<unsigned char>(xml[at]) > 126) return "not ASCII";
    if (xml[at] == '&') {
      const std::string rest = xml.substr(at, 6);
      if (!rest.starts_with("&amp;") && !rest.starts_with("&lt;") && !rest.starts_with("&gt;") &&
          !rest.starts_with("&quot;")) {
        return "bare & in " + rest;
      }
    }
    if (xml[at] != '<') {
      ++at;
      continue;
    }
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return "a tag does not end";
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return "quotes in " + tag;
    if (tag.find('<') != std::string::npos) return "< in " + tag;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "closes " + tag;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    at = end + 1;
  }
  return open.empty() ? "" : open.back() + " stays open";
}

}  // namespace mcv::bench
