#include "apps/bench/peer_output.h"

#include <regex>
#include <sstream>

#include "apps/bench/process.h"

namespace mcv::bench {
namespace {

using nlohmann::json;

Status NotUnderstood(const std::string& program, const std::string& missing,
                     const std::string& output) {
  const std::string end = Tail(output);
  return Corrupt(program + "'s output has no " + missing +
                 (end.empty() ? "; it printed nothing" : "; it ended with\n" + end));
}

int64_t CountOf(const json& record, const char* name) {
  const auto found = record.find(name);
  return found != record.end() && found->is_number_integer() ? found->get<int64_t>() : -1;
}

// Lines of numbers that a regular expression could choke on are none of llama.cpp's.
constexpr size_t kLongestLine = 4096;

double Number(const std::ssub_match& digits) { return std::stod(digits.str()); }

}  // namespace

Result<double> ParseLlamaBench(const std::string& output, int64_t prompt, int64_t generated) {
  const std::string wanted = "result for " + std::to_string(prompt) + " prompt and " +
                             std::to_string(generated) + " generated tokens";
  const size_t begin = output.find('['), end = output.rfind(']');
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    return NotUnderstood("llama-bench", wanted, output);
  }
  const json records = json::parse(output.substr(begin, end - begin + 1), nullptr, false);
  if (records.is_array()) {
    for (const json& record : records) {
      if (!record.is_object() || CountOf(record, "n_prompt") != prompt) continue;
      if (CountOf(record, "n_gen") != generated) continue;
      const auto rate = record.find("avg_ts");
      if (rate != record.end() && rate->is_number() && rate->get<double>() > 0) {
        return rate->get<double>();
      }
    }
  }
  return NotUnderstood("llama-bench", wanted, output);
}

Result<Measured> ParseMtmdLog(const std::string& log) {
  static const std::regex batch(R"(encoding mtmd batch, n_chunks = (\d{1,6}))");
  static const std::regex batch_done(R"(batch encoding done in (\d{1,12}) ms)");
  static const std::regex slice_done(R"(slice encoded in (\d{1,12}) ms)");
  static const std::regex ready(
      R"(^(\d{1,6})\.(\d\d)\.(\d{3})\.(\d{3}) .*This is an experimental CLI)");
  Measured measured;
  double milliseconds = 0.0;
  std::istringstream lines(log);
  std::smatch found;
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > kLongestLine) continue;
    if (std::regex_search(line, found, batch)) {
      measured.views += static_cast<int>(Number(found[1]));
    } else if (std::regex_search(line, found, batch_done)) {
      milliseconds += Number(found[1]);
    } else if (std::regex_search(line, found, slice_done)) {
      ++measured.views;
      milliseconds += Number(found[1]);
    } else if (std::regex_search(line, found, ready)) {
      measured.load_seconds = Number(found[1]) * 60 + Number(found[2]) + Number(found[3]) * 1e-3 +
                              Number(found[4]) * 1e-6;
    }
  }
  if (measured.views == 0 || milliseconds <= 0) {
    return NotUnderstood("llama-mtmd-cli", "encode times", log);
  }
  measured.encode_seconds = milliseconds / 1000.0;
  return measured;
}

std::string ParseVersion(const std::string& output) {
  constexpr std::string_view kMark = "version: ";
  const size_t at = output.find(kMark);
  if (at == std::string::npos) return "";
  const size_t begin = at + kMark.size();
  return output.substr(begin, output.find_first_of("\r\n", begin) - begin);
}

std::string ParseBackend(const std::string& output) {
  constexpr std::string_view kMark = "loaded CPU backend from ";
  const size_t at = output.find(kMark);
  if (at == std::string::npos) return "";
  const size_t begin = at + kMark.size();
  const std::string path = output.substr(begin, output.find_first_of("\r\n", begin) - begin);
  return path.substr(path.rfind('/') + 1);
}

}  // namespace mcv::bench
