// What a model's files say, collected for `minicpmv inspect`: nothing is judged twice here, every
// fact comes from family and formats.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "family/config.h"
#include "family/model_files.h"

namespace mcv::cli {

struct TypeTotal {
  int64_t tensors = 0;
  int64_t elements = 0;
  uint64_t bytes = 0;
};

struct StoredTensorInfo {
  std::string name;
  std::string type;
  std::vector<uint64_t> shape;  // as the file states it: GGUF fastest first, safetensors last
  uint64_t bytes = 0;
};

struct FileReport {
  std::string path;
  std::string format;  // "GGUF version 3", "safetensors"
  uint64_t bytes = 0;
  std::map<std::string, TypeTotal> types;  // by name: "Q4_K"
  std::vector<StoredTensorInfo> tensors;
  std::vector<std::pair<std::string, std::string>> keys;  // values shortened, safe to show
};

struct TokenizerReport {
  std::string kind;
  int tokens = 0;
  std::vector<std::string> stops;
  std::string problem;  // why it could not be loaded; empty: it was
};

struct ModelReport {
  std::vector<FileReport> files;
  // Absent when the files are no model that this program runs; `problem` says why.
  std::optional<ModelConfig> config;
  Status problem;  // not OK also when tensors are missing or wrong
  Completeness completeness;
  int64_t text_parameters = 0;
  int64_t tower_parameters = 0;
  int64_t resampler_parameters = 0;
  TokenizerReport tokenizer;
  std::string chat_template;
  std::vector<std::string> notes;

  bool ok() const { return config.has_value() && problem.ok(); }
};

// path and mmproj as in ModelFiles::Open, or an mmproj file, or a .safetensors file, alone. An
// error only where not even the container can be read.
Result<ModelReport> MakeModelReport(const std::string& path, const std::string& mmproj);

struct ReportOptions {
  bool keys = false;
  bool tensors = false;
  bool chat_template = false;
};
std::string ReportText(const ModelReport& report, const ReportOptions& options);
// Everything, whatever the options of the text would leave out.
nlohmann::ordered_json ReportJson(const ModelReport& report);

}  // namespace mcv::cli
