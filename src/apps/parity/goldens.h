// A folder in the goldens' format: which models, runs and cases it has. Nothing about any of them
// is known beforehand.
//
//   models/<model>/hf/            an HF folder
//   models/<model>/gguf/          LLM files and mmproj files
//   images/<name>.png             "<name>.decoded.png" stands for a JPEG's stored pixels
//   expected/<run>/<case>.json    run = <model>[.strip|.grid][.floor][.<LLM file's suffix>]
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/versions.h"
#include "formats/image/image.h"
#include "formats/npy/npy.h"

namespace mcv::parity {

// Files that hold one model's values.
struct Source {
  std::string label;   // "hf", "llm-f32.gguf"
  std::string path;    // for ModelFiles::Open
  std::string mmproj;  // empty for HF; empty for a GGUF without an encoder
};

// One set of expected values.
struct Case {
  std::string name;    // the file's name without ".json"
  std::string folder;  // where its .npy files lie
  nlohmann::json json;
  PositionRule positions = PositionRule::kGrid;  // only meaningful if has_positions
  bool has_positions = false;                    // else: the model's own rule
  BucketRule buckets = BucketRule::kFloat32;
  bool is_picture() const { return json.contains("image"); }
};

struct Run {
  std::string name;
  std::string model;
  std::vector<Source> sources;
  std::vector<Case> cases;
  std::string tensors_json;           // path, or empty
  std::string quantised;              // path of the LLM file that the run is about, or empty
  std::optional<Version> hf_version;  // what the model's HF folder says it is
};

class Goldens {
 public:
  // Finds the runs; NotFound if the folder has no part of the format. Parts that are missing or
  // unreadable are listed in `problems` as (run, what).
  static Result<Goldens> Open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  const std::vector<Run>& runs() const { return runs_; }
  const std::vector<std::pair<std::string, std::string>>& problems() const { return problems_; }
  // A path inside the folder, or nothing if it does not exist.
  std::optional<std::string> Find(const std::string& relative) const;

  // The pixels that the runs used: as stored, alpha dropped.
  Result<Image> LoadPicture(const std::string& name) const;
  // The picture's own file (a JPEG), not what was decoded from it.
  Result<std::string> PictureFile(const std::string& name) const;

 private:
  void AddRun(const std::string& name);
  void AddCases(const std::string& folder, const std::vector<std::string>& suffixes, Run* run);
  void AddSources(const std::string& quantised, Run* run);

  std::string folder_;
  std::vector<std::string> models_;
  std::vector<Run> runs_;
  std::vector<std::pair<std::string, std::string>> problems_;
};

// Reads and parses; Corrupt with the parser's words.
Result<nlohmann::json> ReadJsonFile(const std::string& path);

}  // namespace mcv::parity
