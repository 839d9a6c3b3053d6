#include "engine/threads/tuning_file.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file_writer.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "formats/printable.h"

namespace mcv {

namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxEntries = 100;
constexpr int kMaxDepth = 16;

// The field, or Corrupt.
Result<int64_t> Integer(const Json& object, const char* field) {
  const auto found = object.is_object() ? object.find(field) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_number_integer() ||
      found->is_number_unsigned() != (*found >= 0) || *found > (int64_t{1} << 31)) {
    return Corrupt(std::string("expected a small whole number as \"") + field + "\"");
  }
  return found->get<int64_t>();
}

Result<std::string> Text(const Json& object, const char* field) {
  const auto found = object.is_object() ? object.find(field) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_string()) {
    return Corrupt(std::string("expected a text as \"") + field + "\"");
  }
  return found->get<std::string>();
}

Result<StageSettings> ParseStage(const Json& json) {
  StageSettings stage;
  MCV_ASSIGN_OR_RETURN(const int64_t threads, Integer(json, "threads"));
  stage.threads = static_cast<int>(std::clamp<int64_t>(threads, 0, kMaxThreads + 1));
  MCV_ASSIGN_OR_RETURN(const std::string placement, Text(json, "placement"));
  MCV_ASSIGN_OR_RETURN(stage.placement, ParsePlacement(placement));
  MCV_ASSIGN_OR_RETURN(stage.blocking.rows, Integer(json, "rows"));
  MCV_ASSIGN_OR_RETURN(stage.blocking.tokens, Integer(json, "tokens"));
  return stage;
}

Result<TuningEntry> ParseEntry(const Json& json) {
  TuningEntry entry;
  MCV_ASSIGN_OR_RETURN(entry.machine, Text(json, "machine"));
  MCV_ASSIGN_OR_RETURN(entry.model, Text(json, "model"));
  for (const Stage stage : kStages) {
    const auto found = json.find(StageName(stage));
    if (found == json.end()) {
      return Corrupt("expected the stage \"" + std::string(StageName(stage)) + "\"");
    }
    MCV_ASSIGN_OR_RETURN(entry.settings.of(stage), ParseStage(*found));
  }
  MCV_ASSIGN_OR_RETURN(entry.settings.batch_tokens, Integer(json, "batch_tokens"));
  MCV_RETURN_IF_ERROR(Validate(entry.settings));
  return entry;
}

Json ToJson(const TuningEntry& entry) {
  Json json = {{"machine", entry.machine},
               {"model", entry.model},
               {"batch_tokens", entry.settings.batch_tokens}};
  for (const Stage stage : kStages) {
    const StageSettings& s = entry.settings.of(stage);
    json[std::string(StageName(stage))] = {{"threads", s.threads},
                                           {"placement", PlacementName(s.placement)},
                                           {"rows", s.blocking.rows},
                                           {"tokens", s.blocking.tokens}};
  }
  return json;
}

// Nesting is cut off while parsing, so that no depth can exhaust the stack later.
Json ParseJson(std::string_view text) {
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  Json json = Json::parse(text, watch, /*allow_exceptions=*/false);
  return too_deep ? Json(Json::value_t::discarded) : json;
}

}  // namespace

std::string MachineKey(const CpuTopology& topology, std::string_view target, Numerics numerics) {
  return Printable(topology.model) + "; " + topology.Describe() + "; " + std::string(target) + " " +
         std::string(NumericsName(numerics));
}

std::string ModelKey(const ModelFiles& files) {
  std::string tensors;
  uint64_t bytes = 0;
  for (const TensorSpec& spec : files.tensors()) {
    const auto data = files.Find(spec);
    if (!data.ok()) continue;
    bytes += data->bytes.size();
    tensors += spec.id + " " + std::string(Traits(data->type).name) + " " +
               std::to_string(data->bytes.size()) + "\n";
  }
  const ModelConfig& config = files.config();
  return std::string(config.row().short_name) + " " + Printable(config.name) + ", " +
         std::to_string(bytes) + " bytes, " +
         Sha256Hex({reinterpret_cast<const uint8_t*>(tensors.data()), tensors.size()})
             .substr(0, 16);
}

Result<TuningFile> TuningFile::Parse(std::string_view text) {
  const Json json = ParseJson(text);
  if (!json.is_object()) return Corrupt("expected one JSON object");
  MCV_ASSIGN_OR_RETURN(const int64_t format, Integer(json, "minicpmv_tuning"));
  if (format != kFormat) {
    return Unsupported("format " + std::to_string(format) + ", expected " +
                       std::to_string(kFormat));
  }
  const auto entries = json.find("entries");
  if (entries == json.end() || !entries->is_array() || entries->size() > kMaxEntries) {
    return Corrupt("expected a list of at most " + std::to_string(kMaxEntries) + " \"entries\"");
  }
  TuningFile file;
  for (const Json& entry : *entries) {
    MCV_ASSIGN_OR_RETURN(TuningEntry parsed, ParseEntry(entry));
    file.entries_.push_back(std::move(parsed));
  }
  return file;
}

Result<TuningFile> TuningFile::Read(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  auto file = Parse(text);
  if (!file.ok()) return file.status().Annotate(path);
  return file;
}

const TuningEntry* TuningFile::Find(std::string_view machine, std::string_view model) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const TuningEntry& entry) {
    return entry.machine == machine && entry.model == model;
  });
  return found == entries_.end() ? nullptr : &*found;
}

void TuningFile::Put(TuningEntry entry) {
  std::erase_if(entries_, [&](const TuningEntry& old) {
    return old.machine == entry.machine && old.model == entry.model;
  });
  if (entries_.size() >= kMaxEntries) entries_.erase(entries_.begin());
  entries_.push_back(std::move(entry));
}

std::string TuningFile::ToText() const {
  Json json = {{"minicpmv_tuning", kFormat}, {"entries", Json::array()}};
  for (const TuningEntry& entry : entries_) json["entries"].push_back(ToJson(entry));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Status TuningFile::Write(const std::string& path) const {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return IoError(folder.string() + ": cannot be made: " + error.message());
  return WriteFile(path, ToText());
}

}  // namespace mcv
