#include "trainer/checkpoint/checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/file_writer.h"
#include "base/mapped_file.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;
constexpr char kPrefix[] = "step-";

std::string FolderName(int64_t step) {
  char name[40];
  std::snprintf(name, sizeof(name), "%s%08lld", kPrefix, static_cast<long long>(step));
  return name;
}

// Complete checkpoints, oldest first.
std::vector<fs::path> AllCheckpoints(const std::string& run_dir) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(run_dir) / "checkpoints", error)) {
    if (entry.path().filename().string().rfind(kPrefix, 0) == 0) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
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
  if (written.ok()) {
    fs::remove_all(target, error);
    fs::rename(partial, target, error);
  }
  if (!written.ok() || error) {
    const std::string reason = error ? error.message() : "";
    fs::remove_all(partial, error);
    if (!written.ok()) return written.Annotate("checkpoint");
    return IoError(target.string() + ": cannot rename the finished checkpoint: " + reason);
  }
  std::vector<fs::path> all = AllCheckpoints(run_dir);
  while (static_cast<int>(all.size()) > std::max(1, keep)) {
    fs::remove_all(all.front(), error);
    all.erase(all.begin());
  }
  return target.string();
}

Result<std::string> NewestCheckpoint(const std::string& run_dir) {
  const std::vector<fs::path> all = AllCheckpoints(run_dir);
  if (all.empty()) return NotFound(run_dir + ": there is no checkpoint in this run folder");
  return all.back().string();
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
