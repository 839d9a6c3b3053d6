// Models in several files, as gguf-split writes them: "name-00001-of-00003.gguf" holds the keys,
// and each file the description and the data of its own tensors. Opened, they are one GgufFile.
#include <algorithm>
#include <numeric>
#include <utility>

#include "formats/gguf/gguf_file.h"
#include "formats/printable.h"

namespace mcv {
namespace {

constexpr uint64_t kMostParts = 99'999;  // five digits

// "-00001-of-00003.gguf", the ending in any case.
struct PartName {
  std::string stem;
  uint64_t count = 0;
  std::string ending;

  std::string Path(uint64_t number) const {
    const auto digits = [](uint64_t value) {
      const std::string text = std::to_string(value);
      return std::string(5 - std::min<size_t>(5, text.size()), '0') + text;
    };
    return stem + "-" + digits(number) + "-of-" + digits(count) + ending;
  }
};

std::optional<PartName> ParsePartName(const std::string& path, uint64_t* number) {
  constexpr size_t kLength = 6 + 4 + 5 + 5;  // "-00001" "-of-" "00003" ".gguf"
  if (path.size() < kLength) return std::nullopt;
  const std::string tail = path.substr(path.size() - kLength);
  const auto digits = [&](size_t at) -> std::optional<uint64_t> {
    uint64_t value = 0;
    for (size_t i = at; i < at + 5; ++i) {
      if (tail[i] < '0' || tail[i] > '9') return std::nullopt;
      value = value * 10 + static_cast<uint64_t>(tail[i] - '0');
    }
    return value;
  };
  const auto its_number = digits(1);
  const auto count = digits(10);
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || !its_number || !count || *count == 0) {
    return std::nullopt;
  }
  *number = *its_number;
  return PartName{path.substr(0, path.size() - kLength), *count, tail.substr(15)};
}

}  // namespace

std::optional<GgufPart> GgufPartOf(const std::string& path) {
  uint64_t number = 0;
  const auto name = ParsePartName(path, &number);
  if (!name) return std::nullopt;
  return GgufPart{number, name->count};
}

Result<GgufFile> GgufFile::Open(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(GgufFile file, OpenOne(path));
  if (file.FindKey("split.count") == nullptr) return file;
  MCV_ASSIGN_OR_RETURN(const uint64_t count, file.GetUint("split.count"));
  if (count <= 1) return file;
  uint64_t number = 0;
  const auto name = ParsePartName(path, &number);
  const bool numbered = number >= 1 && number <= count;
  if (!name || name->count != count || count > kMostParts || !numbered) {
    return Unsupported(path + ": is one of " + std::to_string(count) +
                       " parts of a split model; the others are found by names that end in "
                       "-00001-of-" +
                       std::string("0000") + std::to_string(count) +
                       ".gguf: rename them so, or join them with gguf-split --merge");
  }
  std::vector<GgufFile> parts;
  for (uint64_t i = 1; i <= count; ++i) {
    if (i == number) continue;
    auto part = OpenOne(name->Path(i));
    if (part.status().code() == StatusCode::kNotFound) {
      return NotFound(path + ": part " + std::to_string(i) + " of " + std::to_string(count) +
                      " is missing: expected " + name->Path(i) + " beside it");
    }
    if (!part.ok()) return part.status();
    parts.push_back(*std::move(part));
  }
  parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(number - 1), std::move(file));
  return Join(std::move(parts));
}

// Each part says which one it is; the sum of the tensors is in all of them.
Status GgufFile::CheckPart(uint64_t index, uint64_t count) const {
  MCV_ASSIGN_OR_RETURN(const uint64_t number, GetUint("split.no"));
  MCV_ASSIGN_OR_RETURN(const uint64_t its_count, GetUint("split.count"));
  if (number == index && its_count == count) return OkStatus();
  return Corrupt(name_ + ": says that it is part " + std::to_string(number + 1) + " of " +
                 std::to_string(its_count) + ", its name that it is part " +
                 std::to_string(index + 1) + " of " + std::to_string(count));
}

Result<GgufFile> GgufFile::Join(std::vector<GgufFile> parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    MCV_RETURN_IF_ERROR(parts[i].CheckPart(i, parts.size()));
  }
  GgufFile whole = std::move(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i) {
    GgufFile& part = parts[i];
    whole.file_bytes_ += part.file_bytes_;
    std::move(part.tensors_.begin(), part.tensors_.end(), std::back_inserter(whole.tensors_));
    std::move(part.mappings_.begin(), part.mappings_.end(), std::back_inserter(whole.mappings_));
  }
  std::vector<uint32_t>& order = whole.tensor_order_;
  order.resize(whole.tensors_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return whole.tensors_[a].name < whole.tensors_[b].name;
  });
  for (size_t i = 1; i < order.size(); ++i) {
    if (whole.tensors_[order[i - 1]].name != whole.tensors_[order[i]].name) continue;
    return Corrupt(whole.name_ + ": tensor " + Printable(whole.tensors_[order[i]].name) +
                   " is in two parts of the model");
  }
  if (whole.FindKey("split.tensors.count") == nullptr) return whole;
  MCV_ASSIGN_OR_RETURN(const uint64_t tensors, whole.GetUint("split.tensors.count"));
  if (tensors == whole.tensors_.size()) return whole;
  return Corrupt(whole.name_ + ": its " + std::to_string(parts.size()) + " parts hold " +
                 std::to_string(whole.tensors_.size()) + " tensors, expected " +
                 std::to_string(tensors) + ": they are not of one model");
}

}  // namespace mcv
