#include "formats/json_place.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "formats/printable.h"

namespace mcv {
namespace {

// Takes everything and remembers where the parser stopped; builds nothing. The names are
// nlohmann's.
class FaultFinder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  size_t position = 0;  // bytes read, the one at fault included; 0: no fault

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t at, const std::string&, const nlohmann::detail::exception&) override {
    position = std::max<size_t>(at, 1);
    return false;
  }
};

// What people and programs write that JSON does not have. `fault` is the token the parser gave up
// in, `at` a byte of it.
std::string Explain(std::string_view text, size_t at) {
  size_t begin = at;
  while (begin > 0 && at - begin < 12 &&
         std::isalpha(static_cast<unsigned char>(text[begin - 1]))) {
    --begin;
  }
  if (begin > 0 && text[begin - 1] == '-') --begin;
  const std::string_view rest = text.substr(begin);
  for (const std::string_view word :
       {"NaN", "-NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"}) {
    if (rest.starts_with(word)) return std::string(word) + " is no JSON number";
  }
  for (const std::string_view word : {"True", "False", "None"}) {
    if (rest.starts_with(word)) return std::string(word) + " is Python, not JSON";
  }
  const size_t before = at > 0 && text[at - 1] == '/' ? at - 1 : at;
  if (text.substr(before).starts_with("//") || text.substr(before).starts_with("/*") ||
      text[at] == '#') {
    return "JSON has no comments";
  }
  if (text[at] == '\'') return "JSON's strings stand in double quotes";
  if (text[at] == ']' || text[at] == '}') return "a comma too much before it, or a value too few";
  return "found " + Printable(text.substr(at, 12));
}

}  // namespace

std::string JsonFault(std::string_view text) {
  const std::string what = "is not valid JSON";
  FaultFinder finder;
  nlohmann::json::sax_parse(text.begin(), text.end(), &finder);
  if (finder.position == 0) return what;
  if (finder.position > text.size()) return what + ": it ends early";
  const size_t at = finder.position - 1;
  const std::string_view before = text.substr(0, at);
  const size_t line = 1 + static_cast<size_t>(std::ranges::count(before, '\n'));
  const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return what + " at line " + std::to_string(line) + ", column " +
         std::to_string(at - line_begin + 1) + ": " + Explain(text, at);
}

}  // namespace mcv
