#include "apps/cli/options/number_option.h"

#include <charconv>
#include <random>
#include <system_error>

#include "formats/printable.h"

namespace mcv::cli {
namespace {

// The whole text as a number, or nothing. from_chars knows no locale: a comma is never a point.
template <typename T>
std::optional<T> Number(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string CheckContext(std::string& text) {
  constexpr int64_t kLeast = 16;
  constexpr int64_t kMost = int64_t{1} << 20;
  std::string_view digits = text;
  const bool thousands = digits.ends_with('k') || digits.ends_with('K');
  if (thousands) digits.remove_suffix(1);
  const auto number = Number<int64_t>(digits);
  if (number && *number > 0 && *number <= kMost) {
    const int64_t positions = *number * (thousands ? 1024 : 1);
    if (positions >= kLeast && positions <= kMost) {
      text = std::to_string(positions);
      return "";
    }
  }
  return Printable(text) + " is no context length: expected 16 to 1048576 positions, 4096 or 4k " +
         "for instance";
}

std::string CheckShare(const std::string& text) {
  const auto number = Number<double>(text);
  if (number && *number > 0.0 && *number <= 1.0) return "";
  return Printable(text) + " is no share of the probability: expected a number above 0, up to 1 " +
         "(1: keep every token; for the likeliest alone leave --sample out)";
}

std::string CheckSeed(const std::string& text) {
  if (text == "-1" || Number<uint64_t>(text)) return "";
  return Printable(text) + " is no seed: expected 0 to 18446744073709551615, or -1 for any";
}

std::optional<uint64_t> SeedOf(std::string_view text) { return Number<uint64_t>(text); }

uint64_t AnySeed() { return std::random_device{}(); }

}  // namespace mcv::cli
