#include "bench/accepted.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file_writer.h"
#include "base/mapped_file.h"

namespace mcv::bench {
namespace {

using nlohmann::json;

Result<Number> NumberFrom(const std::string& name, const json& entry) {
  const bool measured = entry.is_object();
  const json median = measured ? entry.value("median", json()) : entry;
  const json spread = measured ? entry.value("spread", json()) : json(0);
  if (!median.is_number() || !spread.is_number()) {
    return Corrupt("\"" + name + "\": expected a number or {\"median\": number, \"spread\": " +
                   "number}, got " + entry.dump());
  }
  const Number number = {median.get<double>(), spread.get<double>()};
  if (!(number.value > 0 && number.spread >= 0)) {
    return Corrupt("\"" + name + "\": expected a number above 0, got " + entry.dump());
  }
  return number;
}

json ToJson(const Number& number) {
  if (number.spread > 0) return {{"median", number.value}, {"spread", number.spread}};
  const auto whole = static_cast<int64_t>(number.value);
  return static_cast<double>(whole) == number.value ? json(whole) : json(number.value);
}

Verdict VerdictOf(const Number& accepted, const Number& now, double tolerance) {
  const double allowed = std::max({tolerance, accepted.spread, now.spread});
  if (now.value > accepted.value * (1 + allowed)) return Verdict::kHigher;
  if (now.value < accepted.value * (1 - allowed)) return Verdict::kLower;
  return Verdict::kSame;
}

// The lines of one object, each entry on its own.
template <typename Map, typename ToValue>
void PutObject(std::string* text, const char* name, const Map& map, const ToValue& to_value) {
  *text += std::string("  \"") + name + "\": {";
  const char* separator = "\n    ";
  for (const auto& [key, value] : map) {
    *text += separator + json(key).dump() + ": " + to_value(value).dump();
    separator = ",\n    ";
  }
  *text += "\n  }";
}

}  // namespace

Number MedianOf(std::vector<double> values) {
  MCV_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  const size_t outliers = values.size() >= 5 ? 1 : 0;
  const double range = values[values.size() - 1 - outliers] - values[outliers];
  return {median, median > 0 ? range / median : 0};
}

Result<Accepted> ParseAccepted(std::string_view text) {
  const json file = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto has_object = [&](const char* key) {
    return file.is_object() && file.contains(key) && file[key].is_object();
  };
  if (!has_object("about") || !has_object("numbers")) {
    return Corrupt("expected JSON with the objects \"about\" and \"numbers\"");
  }
  Accepted accepted;
  for (const auto& [key, value] : file["about"].items()) {
    if (!value.is_string()) return Corrupt("about \"" + key + "\": expected a text");
    accepted.about[key] = value.get<std::string>();
  }
  for (const auto& [name, entry] : file["numbers"].items()) {
    MCV_ASSIGN_OR_RETURN(accepted.numbers[name], NumberFrom(name, entry));
  }
  return accepted;
}

std::string AcceptedText(const Accepted& accepted) {
  std::string text = "{\n";
  PutObject(&text, "about", accepted.about, [](const std::string& value) { return json(value); });
  text += ",\n";
  PutObject(&text, "numbers", accepted.numbers, ToJson);
  return text + "\n}\n";
}

Result<Accepted> ReadAccepted(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kLargestFile));
  Result<Accepted> accepted = ParseAccepted(text);
  if (!accepted.ok()) return accepted.status().Annotate(path);
  return accepted;
}

Status WriteAccepted(const std::string& path, const Accepted& accepted) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;  // what is wrong with the folder, the writer says
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  return WriteFile(path, AcceptedText(accepted));
}

std::vector<Comparison> Compare(const Numbers& accepted, const Numbers& now, double tolerance) {
  std::set<std::string> names;
  for (const Numbers* side : {&accepted, &now}) {
    for (const auto& [name, number] : *side) names.insert(name);
  }
  std::vector<Comparison> comparisons;
  for (const std::string& name : names) {
    Comparison c;
    c.name = name;
    const auto old_number = accepted.find(name), new_number = now.find(name);
    if (old_number != accepted.end()) c.accepted = old_number->second;
    if (new_number != now.end()) c.now = new_number->second;
    if (old_number == accepted.end()) {
      c.verdict = Verdict::kNew;
    } else if (new_number == now.end()) {
      c.verdict = Verdict::kMissing;
    } else {
      c.verdict = VerdictOf(c.accepted, c.now, tolerance);
    }
    comparisons.push_back(std::move(c));
  }
  return comparisons;
}

std::string Compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "GCC " __VERSION__;
#endif
}

std::string Difference(const Accepted& accepted, const std::map<std::string, std::string>& here) {
  std::string difference;
  for (const auto& [key, value] : here) {
    const auto found = accepted.about.find(key);
    const std::string before = found == accepted.about.end() ? "not told" : found->second;
    if (before == value) continue;
    if (!difference.empty()) difference += "; ";
    difference += key + ": " + before + ", here " + value;
  }
  return difference;
}

}  // namespace mcv::bench
