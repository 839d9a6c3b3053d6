// The format: http://valgrind.org/docs/manual/cl-format.html. Of it two lines count:
//   desc: Trigger: Client Request: gemv/Q4_K
//   totals: 123456
#include "bench/counts/callgrind_dump.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/mapped_file.h"

namespace mcv::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTrigger = "desc: Trigger: ";
constexpr std::string_view kRequest = "Client Request: ";
constexpr std::string_view kTotals = "totals: ";

// What follows `key` at the beginning of a line, up to the line's end.
std::optional<std::string_view> ValueOf(std::string_view text, std::string_view key) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(key)) return line.substr(key.size());
    at = end + 1;
  }
  return std::nullopt;
}

Result<Numbers> NumbersFrom(const fs::path& folder) {
  Numbers numbers;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(entry.path().string(), kLargestFile));
    const auto dump = ParseCallgrindDump(text);
    if (!dump.ok()) return dump.status().Annotate(entry.path().string());
    if (!dump->has_value()) continue;
    const Number number = {static_cast<double>((*dump)->instructions), 0};
    if (!numbers.emplace((*dump)->name, number).second) {
      return Corrupt(entry.path().string() + ": a second dump of " + (*dump)->name +
                     "; empty the folder before a run");
    }
  }
  if (error) return IoError(folder.string() + ": " + error.message());
  return numbers;
}

}  // namespace

Result<std::optional<CallgrindDump>> ParseCallgrindDump(std::string_view text) {
  const auto trigger = ValueOf(text, kTrigger);
  const auto totals = ValueOf(text, kTotals);
  if (!trigger || !totals) {
    return Corrupt("expected callgrind's output with the lines \"desc: Trigger:\" and \"totals:\"");
  }
  if (!trigger->starts_with(kRequest)) return std::optional<CallgrindDump>();
  CallgrindDump dump;
  dump.name = trigger->substr(kRequest.size());
  const char* end = totals->data() + totals->size();
  const auto [stop, error] = std::from_chars(totals->data(), end, dump.instructions);
  if (error != std::errc() || stop != end || dump.instructions <= 0) {
    return Corrupt("\"totals: " + std::string(*totals) +
                   "\": expected one number above 0 (callgrind " +
                   "counts instructions only, unless options ask for more)");
  }
  return std::optional<CallgrindDump>(std::move(dump));
}

Result<Numbers> ReadCallgrindDumps(const std::string& folder) {
  MCV_ASSIGN_OR_RETURN(Numbers numbers, NumbersFrom(folder));
  if (numbers.empty()) {
    return NotFound(folder + ": no dump of callgrind; ./dev counts makes them");
  }
  return numbers;
}

}  // namespace mcv::bench
