#include "apps/cli/options/size_option.h"

#include <cctype>
#include <charconv>
#include <optional>

#include "formats/printable.h"

namespace mcv::cli {
namespace {

// What a unit stands for, given in lower case; nothing if it is none.
std::optional<double> UnitBytes(std::string_view unit) {
  if (unit.empty() || unit == "b") return 1.0;
  constexpr std::string_view kLetters = "kmgt";
  const size_t power = kLetters.find(unit[0]);
  if (power == std::string_view::npos) return std::nullopt;
  const std::string_view rest = unit.substr(1);
  if (!rest.empty() && rest != "b" && rest != "ib") return std::nullopt;
  const double step = rest == "b" ? 1000.0 : 1024.0;
  double bytes = 1.0;
  for (size_t i = 0; i <= power; ++i) bytes *= step;
  return bytes;
}

Status Complaint(std::string_view text, const SizeBounds& bounds) {
  return InvalidArgument(Printable(text) + " is no size: expected a number" +
                         (bounds.least > 0 ? " above 0" : "") +
                         " and a unit, 4G, 512M, 4.5GiB or 6GB for instance");
}

}  // namespace

Result<int64_t> ParseSize(std::string_view text, const SizeBounds& bounds) {
  // from_chars would also take signs, "inf" and "nan".
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) == 0) {
    return Complaint(text, bounds);
  }
  double number = 0.0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return Complaint(text, bounds);
  std::string unit;
  for (const char* c = end; c != text.data() + text.size(); ++c) {
    if (*c == ' ' && unit.empty()) continue;
    unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
  }
  const auto unit_bytes = UnitBytes(unit);
  if (!unit_bytes) return Complaint(text, bounds);
  const double bytes = number * *unit_bytes;
  if (!(bytes >= static_cast<double>(bounds.least))) return Complaint(text, bounds);
  if (bytes > static_cast<double>(bounds.most)) {
    return InvalidArgument(Printable(text) + " is more than any machine has");
  }
  return static_cast<int64_t>(bytes);
}

std::string CheckSize(const std::string& text, const SizeBounds& bounds) {
  return ParseSize(text, bounds).status().message();
}

}  // namespace mcv::cli
