// Text as other programs write it, read as it is meant.
#pragma once

#include <string>
#include <string_view>

namespace mcv::cli {

// Without a byte order mark at its beginning and line ends at its end; CR LF and CR are LF.
std::string PlainText(std::string_view text);

// Without blanks at both ends: spaces, tabs, line ends, no-break spaces.
std::string_view Trimmed(std::string_view text);

// A byte order mark of UTF-16, which no question can begin with.
bool BeginsAsUtf16(std::string_view text);

}  // namespace mcv::cli
