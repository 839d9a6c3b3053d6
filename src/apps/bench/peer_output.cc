#include "apps/bench/peer_output.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string_view>

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

// The digits at the front of *text, which then begins behind them; -1 where there are none, or more
// than any count or time of a run needs.
int64_t TakeDigits(std::string_view* text) {
  int64_t value = -1;
  const size_t longest = std::min<size_t>(text->size(), 12);
  const auto [end, error] = std::from_chars(text->data(), text->data() + longest, value);
  if (error != std::errc() || value < 0) return -1;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return value;
}

// Far more than a picture has.
constexpr int64_t kMostViews = 1000;

// The number between `before` and `after` in the line, -1 where the line is another.
int64_t NumberIn(std::string_view line, std::string_view before, std::string_view after = "") {
  const size_t at = line.find(before);
  if (at == std::string_view::npos) return -1;
  line.remove_prefix(at + before.size());
  const int64_t value = TakeDigits(&line);
  return line.starts_with(after) ? value : -1;
}

// The time stamp "minutes.seconds.milliseconds.microseconds" that starts a line; below 0 without
// one.
double StampSeconds(std::string_view line) {
  constexpr double kUnits[] = {60.0, 1.0, 1e-3, 1e-6};
  double seconds = 0.0;
  for (const double unit : kUnits) {
    const int64_t part = TakeDigits(&line);
    if (part < 0 || line.empty()) return -1.0;
    line.remove_prefix(1);
    seconds += static_cast<double>(part) * unit;
  }
  return seconds;
}

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

Result<double> ParseBatchedBench(const std::string& output, int64_t sequences) {
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    const json record = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!record.is_object() || CountOf(record, "pl") != sequences) continue;
    const auto rate = record.find("speed_tg");
    if (rate != record.end() && rate->is_number() && rate->get<double>() > 0) {
      return rate->get<double>();
    }
  }
  return NotUnderstood("llama-batched-bench", "rate of " + std::to_string(sequences) + " sequences",
                       output);
}

Result<Measured> ParseMtmdLog(const std::string& log) {
  Measured measured;
  int64_t milliseconds = 0;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const int64_t views = NumberIn(line, "encoding mtmd batch, n_chunks = ");
    const int64_t batch = NumberIn(line, "batch encoding done in ", " ms");
    const int64_t slice = NumberIn(line, "slice encoded in ", " ms");
    if (views > 0 && views < kMostViews) measured.views += static_cast<int>(views);
    if (batch > 0) milliseconds += batch;
    if (slice >= 0) {
      ++measured.views;
      milliseconds += slice;
    }
    const double stamp = StampSeconds(line);
    if (stamp >= 0 && line.find("This is an experimental CLI") != std::string::npos) {
      measured.load_seconds = stamp;
    }
  }
  if (measured.views == 0 || milliseconds <= 0) {
    return NotUnderstood("llama-mtmd-cli", "encode times", log);
  }
  measured.encode_seconds = static_cast<double>(milliseconds) / 1000.0;
  return measured;
}

std::string ParseDepthOption(const std::string& help) {
  for (const char* option : {"-d", "-gp"}) {
    // As a word of its own, at the front of a line or behind a blank; a comma may follow.
    for (size_t at = help.find(option); at != std::string::npos; at = help.find(option, at + 1)) {
      const size_t end = at + std::string_view(option).size();
      const bool begins = at == 0 || help[at - 1] == ' ' || help[at - 1] == '\n';
      const bool ends = end == help.size() || help[end] == ' ' || help[end] == ',';
      if (begins && ends) return option;
    }
  }
  return "";
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
