#include "apps/parity/replay_tables.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <string_view>

#include "apps/parity/compare.h"
#include "base/mapped_file.h"
#include "family/tokenizer/tokenizer.h"
#include "family/vision/positions.h"
#include "family/vision/slicing.h"
#include "formats/gguf/gguf_file.h"
#include "formats/quant/quant.h"

namespace mcv::parity {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr size_t kMaxTableBytes = size_t{256} << 20;
constexpr int kBucketTableSide = 70;  // what position_buckets.tsv is made for

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Whole decimal numbers; nothing if one is not.
std::optional<std::vector<int32_t>> Numbers(std::string_view text, char separator) {
  std::vector<int32_t> numbers;
  for (const std::string_view part : Split(text, separator)) {
    int32_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error != std::errc() || end != part.data() + part.size()) return std::nullopt;
    numbers.push_back(number);
  }
  return numbers;
}

// Lines of a text file after its header, without carriage returns.
struct TextTable {
  std::string text;
  std::vector<std::string_view> header;
  std::vector<std::string_view> lines;
};
Result<std::unique_ptr<TextTable>> ReadTable(const std::string& path) {
  auto table = std::make_unique<TextTable>();
  MCV_ASSIGN_OR_RETURN(table->text, ReadFile(path, kMaxTableBytes));
  std::erase(table->text, '\r');
  table->lines = Split(table->text, '\n');
  table->header = Split(table->lines.front(), '\t');
  table->lines.erase(table->lines.begin());
  std::erase(table->lines, std::string_view());
  return table;
}

// The row's numbers by their column's name.
using NamedRow = std::map<std::string_view, int32_t>;

std::string CompareSlicingRow(const NamedRow& row, const SlicePlan& plan) {
  std::string detail;
  const auto compare = [&](std::string_view column, int got) {
    const auto found = row.find(column);
    if (found == row.end() || found->second == got) return;
    detail += std::string(column) + " is " + std::to_string(got) + ", expected " +
              std::to_string(found->second) + "; ";
  };
  compare("grid_cols", plan.cols);
  compare("grid_rows", plan.rows);
  compare("overview_w", plan.overview.width);
  compare("overview_h", plan.overview.height);
  compare("slice_w", plan.cell.width);
  compare("slice_h", plan.cell.height);
  compare("refine_w", plan.refine.width);
  compare("refine_h", plan.refine.height);
  return detail;
}

}  // namespace

void ReplaySlicingCases(const Goldens& goldens, Report* report) {
  const char* kName = "slicing_cases.tsv";
  const auto path = goldens.Find(kName);
  if (!path) return report->Note(std::string(kName) + " is not there");
  const auto table = ReadTable(*path);
  if (!table.ok()) return report->Broken(kName, "", table.status().message());
  for (const std::string_view line : (*table)->lines) {
    const auto numbers = Numbers(line, '\t');
    NamedRow row;
    for (size_t i = 0; numbers && i < numbers->size() && i < (*table)->header.size(); ++i) {
      row[(*table)->header[i]] = (*numbers)[i];
    }
    if (row["width"] < 1 || row["height"] < 1) {
      report->Broken(kName, "", "cannot read the line: " + std::string(line));
      continue;
    }
    // The rules that the file is made for are the published ones, which are the defaults.
    const SlicePlan plan = PlanSlices(row["width"], row["height"], SliceConfig());
    const std::string detail = CompareSlicingRow(row, plan);
    report->Add({kName, "", "slicing",
                 std::to_string(row["width"]) + "x" + std::to_string(row["height"]),
                 detail.empty() ? 0.0 : 1.0, 0, detail});
  }
}

void ReplayPositionBuckets(const Goldens& goldens, Report* report) {
  const char* kName = "position_buckets.tsv";
  const auto path = goldens.Find(kName);
  if (!path) return report->Note(std::string(kName) + " is not there");
  const auto table = ReadTable(*path);
  if (!table.ok()) return report->Broken(kName, "", table.status().message());
  for (const std::string_view line : (*table)->lines) {
    const std::vector<std::string_view> fields = Split(line, '\t');
    const auto n = Numbers(fields[0], ',');
    const auto expected = fields.size() > 1 ? Numbers(fields[1], ',') : std::nullopt;
    if (!n || !expected || n->size() != 1 || n->front() < 1) {
      report->Broken(kName, "", "cannot read the line: " + std::string(line.substr(0, 60)));
      continue;
    }
    const std::vector<int32_t> got =
        PositionBuckets(n->front(), kBucketTableSide, BucketRule::kFloat32);
    report->Add({kName, "", "position_ids", "n = " + std::to_string(n->front()),
                 double(CountUnequal<int32_t>(got, *expected)), 0,
                 FirstUnequal<int32_t>(got, *expected)});
  }
}

namespace {

void ReplayVectors(const std::string& name, const Tokenizer& tokenizer, const std::string& path,
                   Report* report) {
  const std::string run = "tokenizers/" + name;
  const auto text = ReadFile(path, kMaxTableBytes);
  if (!text.ok()) return report->Broken(run, "", text.status().message());
  size_t number = 0;
  for (const std::string_view line : Split(*text, '\n')) {
    ++number;
    if (line.empty()) continue;
    const json vector = json::parse(line, nullptr, /*allow_exceptions=*/false);
    const std::string where = "line " + std::to_string(number);
    if (!vector.is_object() || !vector.contains("text") || !vector.contains("ids")) {
      report->Broken(run, "", where + " is not {\"text\": ..., \"ids\": [...]}");
      continue;
    }
    const auto expected = vector["ids"].get<std::vector<int32_t>>();
    const std::vector<int32_t> got =
        tokenizer.EncodeWithSpecials(vector["text"].get<std::string>());
    report->Add({run, "", "token_ids", where, double(CountUnequal<int32_t>(got, expected)), 0,
                 FirstUnequal<int32_t>(got, expected) + " in " + vector["text"].dump()});
  }
}

}  // namespace

void ReplayTokenizers(const Goldens& goldens, Report* report) {
  const auto folder = goldens.Find("tokenizers");
  if (!folder) return report->Note("tokenizers/ is not there");
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(*folder, error), end; !error && it != end; it.increment(error)) {
    const std::string file = it->path().filename().string();
    constexpr std::string_view kSuffix = ".vectors.jsonl";
    if (file.ends_with(kSuffix)) names.push_back(file.substr(0, file.size() - kSuffix.size()));
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const auto tokenizer = LoadTokenizerFromFolder(*folder + "/" + name);
    if (!tokenizer.ok()) {
      report->Broken("tokenizers/" + name, "", tokenizer.status().message());
      continue;
    }
    ReplayVectors(name, **tokenizer, *folder + "/" + name + ".vectors.jsonl", report);
  }
}

namespace {

Result<json> SampledTensors(const Run& run, std::vector<float>* sampled) {
  MCV_ASSIGN_OR_RETURN(json tensors, ReadJsonFile(run.tensors_json));
  const std::string npy =
      fs::path(run.tensors_json).parent_path().string() + "/tensors_every97.npy";
  size_t total = 0;
  for (const json& tensor : tensors.at("tensors")) {
    total += tensor.at("every97_count").get<size_t>();
  }
  MCV_ASSIGN_OR_RETURN(*sampled, ReadNpyValues(npy, total));
  return tensors;
}

}  // namespace

void ReplayTensors(const Run& run, Report* report) {
  if (run.tensors_json.empty() || run.quantised.empty()) return;
  const std::string source = fs::path(run.quantised).filename().string();
  std::vector<float> sampled;
  const auto file = GgufFile::Open(run.quantised);
  const auto tensors = SampledTensors(run, &sampled);
  if (!file.ok()) return report->Broken(run.name, source, file.status().message());
  if (!tensors.ok()) return report->Broken(run.name, source, tensors.status().message());
  size_t begin = 0;
  for (const json& name_json : tensors->at("order")) {
    const std::string name = name_json.get<std::string>();
    const json& expected = tensors->at("tensors").at(name);
    const size_t count = expected.at("every97_count").get<size_t>();
    const std::span<const float> part = std::span<const float>(sampled).subspan(begin, count);
    begin += count;
    const GgufTensor* tensor = file->FindTensor(name);
    if (tensor == nullptr) {
      report->Broken(run.name, source, "tensor " + name + " is missing");
      continue;
    }
    const auto values = Dequantize(tensor->type, tensor->data, tensor->rows(), tensor->columns());
    if (!values.ok()) {
      report->Broken(run.name, source, name + ": " + values.status().message());
      continue;
    }
    const ConstMatView view(values->data(), static_cast<int64_t>(tensor->rows()),
                            static_cast<int64_t>(tensor->columns()));
    const Summary summary = CompareSummary(expected, part, view);
    report->Add(
        {run.name, source, "tensors", name, summary.difference, kTensorTolerance, summary.detail});
  }
}

void NotePeers(const Goldens& goldens, Report* report) {
  const auto folder = goldens.Find("expected/peer");
  if (!folder) return;
  std::error_code error;
  for (fs::directory_iterator it(*folder, error), end; !error && it != end; it.increment(error)) {
    report->Note("expected/peer/" + it->path().filename().string() +
                 " is another program's output and is not judged");
  }
}

}  // namespace mcv::parity
