// Where a JSON text stops being JSON, for people who wrote it by hand or with a program that writes
// what Python reads.
#pragma once

#include <string>
#include <string_view>

namespace mcv {

// "is not valid JSON at line 3, column 14: NaN is no JSON number" for a text that does not parse. A
// text that does gives "is not valid JSON".
std::string JsonFault(std::string_view text);

}  // namespace mcv
