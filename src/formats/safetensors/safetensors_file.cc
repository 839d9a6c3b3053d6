#include "formats/safetensors/safetensors_file.h"

#include <filesystem>
#include <system_error>

#include "base/no_throw.h"
#include "formats/safetensors/safetensors_parser.h"

namespace mcv {
namespace {

constexpr char kIndexName[] = "model.safetensors.index.json";
constexpr char kSingleName[] = "model.safetensors";

bool Exists(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// The file that stands for a folder: its index, or its only weights.
Result<std::string> FindInFolder(const std::string& folder) {
  for (const char* name : {kIndexName, kSingleName}) {
    const auto path = std::filesystem::path(folder) / name;
    if (Exists(path)) return path.string();
  }
  return NotFound(folder + ": has neither " + kIndexName + " nor " + kSingleName);
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  return WithoutThrowing(path, [&] { return OpenFiles(path); });
}

Result<SafetensorsFile> SafetensorsFile::OpenFiles(const std::string& path) {
  std::error_code error;
  std::string file_path = path;
  if (std::filesystem::is_directory(path, error)) {
    MCV_ASSIGN_OR_RETURN(file_path, FindInFolder(path));
  }
  SafetensorsFile file;
  SafetensorsParser parser(&file);
  if (file_path.ends_with(".json")) {
    MCV_RETURN_IF_ERROR(parser.AddIndexed(file_path));
  } else {
    MCV_RETURN_IF_ERROR(parser.AddShardFile(file_path));
  }
  return file;
}

Result<SafetensorsFile> SafetensorsFile::Parse(std::span<const std::byte> bytes,
                                               const std::string& name) {
  return WithoutThrowing(name, [&]() -> Result<SafetensorsFile> {
    SafetensorsFile file;
    MCV_RETURN_IF_ERROR(SafetensorsParser(&file).AddShard(bytes, name, nullptr));
    return file;
  });
}

const SafeTensor* SafetensorsFile::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace mcv
