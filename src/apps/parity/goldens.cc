#include "apps/parity/goldens.h"

#include <algorithm>
#include <filesystem>

#include "base/folder.h"
#include "base/mapped_file.h"
#include "family/config_gguf.h"
#include "family/config_hf.h"
#include "formats/gguf/gguf_file.h"

namespace mcv::parity {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxJsonBytes = size_t{256} << 20;

std::vector<std::string> SplitAtDots(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t dot = text.find('.');
    if (dot != 0) parts.emplace_back(text.substr(0, dot));
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  return parts;
}

bool IsModeSuffix(const std::string& suffix) {
  return FindPositionRule(suffix).ok() || suffix == "floor";
}

// The case's own fields say more than names do: they win.
void SetMode(const std::vector<std::string>& suffixes, Case* c) {
  const auto set_positions = [c](const std::string& name) {
    const auto rule = FindPositionRule(name);
    if (!rule.ok()) return;
    c->positions = *rule;
    c->has_positions = true;
  };
  for (const std::string& suffix : suffixes) {
    set_positions(suffix);
    if (suffix == "floor") c->buckets = BucketRule::kExact;
  }
  const auto positions = c->json.find("positions");
  if (positions != c->json.end() && positions->is_string()) {
    set_positions(positions->get<std::string>());
  }
  const auto buckets = c->json.find("buckets");
  if (buckets != c->json.end() && buckets->is_string()) {
    c->buckets = *buckets == "fp32" ? BucketRule::kFloat32 : BucketRule::kExact;
  }
}

struct GgufFolder {
  std::vector<std::string> language;   // paths of LLM files
  std::vector<std::string> quantised;  // those of them with a quantised tensor
  std::vector<std::string> encoders;   // mmproj files, the most precise first
};

bool HasQuantisedTensor(const GgufFile& file) {
  return std::any_of(file.tensors().begin(), file.tensors().end(),
                     [](const GgufTensor& t) { return Traits(t.type).quantised; });
}

GgufFolder ListGgufs(const fs::path& folder) {
  GgufFolder list;
  for (const std::string& name : EntriesOf(folder)) {
    if (!name.ends_with(".gguf")) continue;
    const std::string path = (folder / name).string();
    const auto file = GgufFile::Open(path);
    // An unreadable file counts as a language model: opening it for the replay tells why.
    if (file.ok() && IsMmprojGguf(*file)) {
      list.encoders.push_back(path);
    } else if (file.ok() && HasQuantisedTensor(*file)) {
      list.quantised.push_back(path);
    } else {
      list.language.push_back(path);
    }
  }
  std::stable_sort(list.encoders.begin(), list.encoders.end(),
                   [](const std::string& a, const std::string& b) {
                     std::error_code error;
                     return fs::file_size(a, error) > fs::file_size(b, error);
                   });
  return list;
}

}  // namespace

Result<nlohmann::json> ReadJsonFile(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxJsonBytes));
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Corrupt(path + ": not JSON");
  return json;
}

Result<Goldens> Goldens::Open(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return NotFound(folder + ": expected a folder with models/, images/ and expected/");
  }
  fs::directory_iterator entries(folder, error);  // below, what cannot be read counts as absent
  if (error) return IoError(folder + ": " + error.message());
  Goldens goldens;
  goldens.folder_ = folder;
  for (const std::string& name : EntriesOf(folder + "/models")) {
    if (fs::is_directory(fs::path(folder) / "models" / name, error)) {
      goldens.models_.push_back(name);
    }
  }
  for (const std::string& name : EntriesOf(folder + "/expected")) {
    // "exif" and "peer" are no runs: they have their own meaning.
    if (name == "exif" || name == "peer") continue;
    if (fs::is_directory(fs::path(folder) / "expected" / name, error)) goldens.AddRun(name);
  }
  return goldens;
}

std::optional<std::string> Goldens::Find(const std::string& relative) const {
  std::error_code error;
  const fs::path path = fs::path(folder_) / relative;
  if (!fs::exists(path, error)) return std::nullopt;
  return path.string();
}

// The model is the longest model name that the run's name begins with.
void Goldens::AddRun(const std::string& name) {
  Run run;
  run.name = name;
  for (const std::string& model : models_) {
    const bool fits = name == model || name.starts_with(model + ".");
    if (fits && model.size() > run.model.size()) run.model = model;
  }
  if (run.model.empty()) {
    problems_.emplace_back(name, "the run's name begins with no folder of models/");
    return;
  }
  const std::vector<std::string> suffixes = SplitAtDots(name.substr(run.model.size()));
  std::string quantised;
  for (const std::string& suffix : suffixes) {
    if (!IsModeSuffix(suffix)) quantised = suffix;
  }
  AddSources(quantised, &run);
  AddCases((fs::path(folder_) / "expected" / name).string(), suffixes, &run);
  runs_.push_back(std::move(run));
}

void Goldens::AddSources(const std::string& quantised, Run* run) {
  const fs::path model = fs::path(folder_) / "models" / run->model;
  const auto hf_config = ReadHfConfig((model / "hf").string());
  if (hf_config.ok()) run->hf_version = hf_config->version;
  const GgufFolder ggufs = ListGgufs(model / "gguf");
  const std::string encoder = ggufs.encoders.empty() ? "" : ggufs.encoders[0];
  const auto add = [&](const std::string& path) {
    run->sources.push_back({fs::path(path).filename().string(), path, encoder});
  };
  if (!quantised.empty()) {
    for (const std::vector<std::string>* list : {&ggufs.quantised, &ggufs.language}) {
      for (const std::string& path : *list) {
        if (!fs::path(path).stem().string().ends_with(quantised)) continue;
        run->quantised = path;
        add(path);
        return;
      }
    }
    problems_.emplace_back(run->name,
                           "models/" + run->model + "/gguf has no *" + quantised + ".gguf");
    return;
  }
  std::error_code error;
  if (fs::exists(model / "hf" / "config.json", error)) {
    run->sources.push_back({"hf", (model / "hf").string(), ""});
  }
  for (const std::string& path : ggufs.language) add(path);
  if (run->sources.empty()) {
    problems_.emplace_back(run->name, "models/" + run->model +
                                          " has no hf/config.json and no "
                                          "gguf/*.gguf with unquantised weights");
  }
}

void Goldens::AddCases(const std::string& folder, const std::vector<std::string>& suffixes,
                       Run* run) {
  for (const std::string& file : EntriesOf(folder)) {
    if (!file.ends_with(".json")) continue;
    const std::string path = (fs::path(folder) / file).string();
    if (file == "tensors.json") {
      run->tensors_json = path;
      continue;
    }
    auto json = ReadJsonFile(path);
    if (!json.ok() || !json->is_object()) {
      problems_.emplace_back(run->name,
                             json.ok() ? path + ": not a JSON object" : json.status().message());
      continue;
    }
    Case c;
    c.name = file.substr(0, file.size() - 5);
    c.folder = folder;
    c.json = std::move(*json);
    std::vector<std::string> all = suffixes;
    for (std::string& part : SplitAtDots(c.name)) all.push_back(std::move(part));
    SetMode(all, &c);
    run->cases.push_back(std::move(c));
  }
  if (run->cases.empty() && run->tensors_json.empty()) {
    problems_.emplace_back(run->name, folder + " has no .json with expected values");
  }
}

Result<Image> Goldens::LoadPicture(const std::string& name) const {
  ImageOptions options;
  options.apply_orientation = false;
  options.alpha_over_white = false;
  if (const auto decoded = Find("images/" + name + ".decoded.png")) {
    MCV_ASSIGN_OR_RETURN(DecodedImage picture, LoadImage(*decoded, options));
    return std::move(picture.image);
  }
  MCV_ASSIGN_OR_RETURN(const std::string path, PictureFile(name));
  MCV_ASSIGN_OR_RETURN(DecodedImage picture, LoadImage(path, options));
  return std::move(picture.image);
}

Result<std::string> Goldens::PictureFile(const std::string& name) const {
  for (const char* extension : {".png", ".jpg", ".jpeg", ".webp"}) {
    if (const auto path = Find("images/" + name + extension)) return *path;
  }
  return NotFound("images/" + name + ".png (or .jpg, .webp) is missing");
}

}  // namespace mcv::parity
