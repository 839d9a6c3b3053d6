#include "trainer/checkpoint/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_writer.h"
#include "base/mapped_file.h"
#include "trainer/checkpoint/weights_tokenizer.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kReplaced = ".replaced";

std::string FolderName(int64_t step) {
  char name[40];
  std::snprintf(name, sizeof(name), "%s%08lld", kPrefix.data(), static_cast<long long>(step));
  return name;
}

struct Found {
  int64_t step = 0;
  bool whole_name = false;  // false: to be replaced by another of its step
  fs::path path;
  bool operator<(const Found& other) const {
    return std::pair(step, whole_name) < std::pair(other.step, other.whole_name);
  }
};

std::optional<Found> ParseFolder(const fs::path& path) {
  const std::string name = path.filename().string();
  std::string_view digits = name;
  if (!digits.starts_with(kPrefix)) return std::nullopt;
  digits.remove_prefix(kPrefix.size());
  Found found;
  found.path = path;
  found.whole_name = !digits.ends_with(kReplaced);
  if (!found.whole_name) digits.remove_suffix(kReplaced.size());
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, found.step);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return found;
}

// Complete checkpoints, lowest step first.
std::vector<Found> AllCheckpoints(const std::string& run_dir) {
  std::vector<Found> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(run_dir) / "checkpoints", error)) {
    if (auto found = ParseFolder(entry.path())) all.push_back(*std::move(found));
  }
  std::sort(all.begin(), all.end());
  return all;
}

// Gives the complete checkpoint its name.
std::error_code PutInPlace(const fs::path& partial, const fs::path& target) {
  std::error_code error;
  const fs::path replaced = target.string() + std::string(kReplaced);
  if (fs::exists(target, error)) {
    fs::remove_all(replaced, error);  // of a run that ended right here; its successor is in place
    if (!error) fs::rename(target, replaced, error);
    if (error) return error;
  }
  fs::rename(partial, target, error);
  if (error) return error;
  std::error_code ignored;  // what stays behind is removed with the older ones
  fs::remove_all(replaced, ignored);
  return error;
}

std::string StateToJson(const RunState& state) {
  nlohmann::ordered_json json;
  json["step"] = state.step;
  json["optimizer_steps"] = state.optimizer_steps;
  json["pictures"] = state.pictures;
  json["seconds"] = state.seconds;
  json["stage"] = state.stage;
  json["libtorch"] = TORCH_VERSION;
  json["config"] = nlohmann::ordered_json::parse(state.config_json);
  return json.dump(1) + "\n";
}

Status WriteParts(const fs::path& folder, const RunState& state, const CheckpointTensors& tensors) {
  if (!tensors.tokenizer_dir.empty()) {
    MCV_RETURN_IF_ERROR(CopyTokenizer(tensors.tokenizer_dir, (folder / kTokenizerFolder).string()));
  }
  MCV_RETURN_IF_ERROR(
      SaveTensors((folder / "model.safetensors").string(), tensors.parameters, DType::kF32));
  if (!tensors.averages.empty()) {
    MCV_RETURN_IF_ERROR(
        SaveTensors((folder / "averaged.safetensors").string(), tensors.averages, DType::kF32));
  }
  MCV_RETURN_IF_ERROR(
      SaveTensors((folder / "optim.safetensors").string(), tensors.optimizer, DType::kF32));
  return WriteFile((folder / "state.json").string(), StateToJson(state));
}

}  // namespace

Result<std::string> SaveCheckpoint(const std::string& run_dir, const RunState& state,
                                   const CheckpointTensors& tensors, int keep) {
  const fs::path parent = fs::path(run_dir) / "checkpoints";
  const fs::path target = parent / FolderName(state.step);
  const fs::path partial = parent / ("tmp-" + FolderName(state.step));
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return IoError(partial.string() + ": cannot make the folder: " + error.message());
  const Status written = WriteParts(partial, state, tensors);
  if (written.ok()) error = PutInPlace(partial, target);
  if (!written.ok() || error) {
    const std::string reason = error ? error.message() : "";
    fs::remove_all(partial, error);
    if (!written.ok()) return written.Annotate("checkpoint");
    return IoError(target.string() + ": cannot rename the finished checkpoint: " + reason);
  }
  std::vector<Found> own = AllCheckpoints(run_dir);
  std::erase_if(own, [&](const Found& found) { return found.step > state.step; });
  while (static_cast<int>(own.size()) > std::max(1, keep)) {
    fs::remove_all(own.front().path, error);
    own.erase(own.begin());
  }
  return target.string();
}

Result<std::string> NewestCheckpoint(const std::string& run_dir) {
  const std::vector<Found> all = AllCheckpoints(run_dir);
  if (all.empty()) return NotFound(run_dir + ": there is no checkpoint in this run folder");
  return all.back().path.string();
}

Result<RunState> ReadRunState(const std::string& folder) {
  const std::string path = (fs::path(folder) / "state.json").string();
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 20));
  const nlohmann::ordered_json json =
      nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  RunState state;
  try {
    state.step = json.at("step").get<int64_t>();
    state.optimizer_steps = json.at("optimizer_steps").get<int64_t>();
    state.pictures = json.at("pictures").get<int64_t>();
    state.seconds = json.at("seconds").get<double>();
    state.stage = json.at("stage").get<std::string>();
    state.config_json = json.at("config").dump();
  } catch (const nlohmann::json::exception& e) {
    return Corrupt(path + ": " + e.what());
  }
  return state;
}

Result<RunState> LoadCheckpoint(const std::string& folder, const CheckpointTensors& tensors) {
  MCV_ASSIGN_OR_RETURN(const RunState state, ReadRunState(folder));
  const fs::path base = folder;
  MCV_RETURN_IF_ERROR(LoadTensors((base / "model.safetensors").string(), tensors.parameters));
  MCV_RETURN_IF_ERROR(LoadTensors((base / "optim.safetensors").string(), tensors.optimizer));
  if (!tensors.averages.empty()) {
    MCV_RETURN_IF_ERROR(LoadTensors((base / "averaged.safetensors").string(), tensors.averages));
  }
  return state;
}

}  // namespace mcv::trainer
