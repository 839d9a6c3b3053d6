#include "family/model_location.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/folder.h"
#include "base/mapped_file.h"
#include "family/model_kinds.h"
#include "formats/gguf/gguf_file.h"
#include "formats/printable.h"

namespace mcv {
namespace fs = std::filesystem;
namespace {

constexpr size_t kNamesInMessage = 6;
constexpr std::string_view kHubPrefix = "models--";

bool EndsWith(const std::string& name, std::string_view ending) {
  if (name.size() < ending.size()) return false;
  return std::equal(ending.begin(), ending.end(), name.end() - ptrdiff_t(ending.size()),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
}

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string Listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kNamesInMessage; ++i) {
    text += (i ? "; " : "") + Printable(names[i]);
  }
  if (names.size() > kNamesInMessage) {
    text += "; and " + std::to_string(names.size() - kNamesInMessage) + " more";
  }
  return text;
}

// The cache keeps each revision in snapshots/HASH and the newest one's hash in refs/main.
Result<std::string> SnapshotOf(const fs::path& repository) {
  const fs::path snapshots = repository / "snapshots";
  if (auto main = ReadFile((repository / "refs" / "main").string(), 256); main.ok()) {
    const std::string hash = main->substr(0, main->find_first_of(" \r\n"));
    const bool plain = !hash.empty() && hash.find('/') == std::string::npos && hash[0] != '.';
    if (plain && Exists(snapshots / hash)) return (snapshots / hash).string();
  }
  const std::vector<std::string> names = EntriesOf(snapshots.string());
  if (names.size() == 1) return (snapshots / names[0]).string();
  if (names.empty()) {
    return NotFound(repository.string() +
                    ": is a folder of the Hugging Face cache without a finished download; fetch "
                    "the model again");
  }
  return InvalidArgument(repository.string() + ": holds " + std::to_string(names.size()) +
                         " revisions of the model; name one of the folders in " +
                         snapshots.string() + ": " + Listed(names));
}

// The folder itself where it is none of the cache's.
Result<std::string> ResolveHubFolder(const std::string& path) {
  fs::path folder = path;
  if (!folder.has_filename()) folder = folder.parent_path();  // a slash at the end
  const bool named = folder.filename().string().starts_with(kHubPrefix);
  if (named && Exists(folder / "snapshots")) return SnapshotOf(folder);
  if (folder.filename() == "snapshots" &&
      folder.parent_path().filename().string().starts_with(kHubPrefix)) {
    return SnapshotOf(folder.parent_path());
  }
  return path;
}

Status NoModelIn(const std::string& folder) {
  const std::string expected =
      ": no model in this folder: expected config.json with .safetensors files, or a .gguf file";
  std::vector<std::string> near;
  for (const std::string& name : EntriesOf(folder)) {
    if (Exists(fs::path(folder) / name / "config.json")) near.push_back(name);
  }
  if (near.empty()) return NotFound(folder + expected);
  return NotFound(folder + expected + "; there are models in its folders " + Listed(near));
}

}  // namespace

std::string FolderOf(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::vector<std::string> GgufsIn(const std::string& folder, GgufRole role) {
  std::vector<std::string> found;
  for (const std::string& name : EntriesOf(folder)) {
    if (!EndsWith(name, ".gguf")) continue;
    const auto part = GgufPartOf(name);
    if (part && part->number > 1) continue;
    const std::string path = (fs::path(folder) / name).string();
    const GgufKind kind = ReadGgufKind(path);
    if (kind.type == "adapter" || kind.type == "imatrix") continue;
    const GgufRole its_role =
        kind.architecture == "clip" ? GgufRole::kVision : GgufRole::kLanguageModel;
    if (its_role == role) found.push_back(path);
  }
  return found;
}

std::string FolderModelName(const std::string& folder) {
  std::error_code error;
  fs::path path = fs::absolute(folder, error).lexically_normal();  // "." has a name too
  if (!path.has_filename()) path = path.parent_path();
  for (const fs::path& part : path) {
    std::string name = part.string();
    if (!name.starts_with(kHubPrefix)) continue;
    name.erase(0, kHubPrefix.size());
    if (const size_t dash = name.find("--"); dash != std::string::npos) name.replace(dash, 2, "/");
    return name;
  }
  return path.filename().string();
}

Result<ModelLocation> LocateModel(const std::string& given) {
  std::error_code error;
  if (!fs::is_directory(given, error)) {
    if (EndsWith(given, ".safetensors") || EndsWith(given, ".index.json")) {
      return ModelLocation{true, FolderOf(given)};
    }
    return ModelLocation{false, given};
  }
  MCV_ASSIGN_OR_RETURN(const std::string path, ResolveHubFolder(given));
  MCV_RETURN_IF_ERROR(CheckNotAdapterFolder(path));
  if (Exists(fs::path(path) / "config.json")) return ModelLocation{true, path};
  const std::vector<std::string> ggufs = GgufsIn(path, GgufRole::kLanguageModel);
  if (ggufs.size() == 1) return ModelLocation{false, ggufs[0]};
  if (!ggufs.empty()) {
    return InvalidArgument(path + ": the folder holds " + std::to_string(ggufs.size()) +
                           " language model files; name one of them: " + Listed(ggufs));
  }
  return NoModelIn(path);
}

}  // namespace mcv
