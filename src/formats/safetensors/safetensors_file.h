// safetensors: one mapped file, or a sharded set described by model.safetensors.index.json.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/status.h"
#include "formats/dtype.h"

namespace mcv {

struct SafeTensor {
  std::string name;
  std::string dtype_name;       // as in the file: "F16", "BF16", "I64", ...
  DType type = DType::kF32;     // only meaningful when `known`
  bool known = true;            // false for dtypes without a DType (U8, BOOL): data is still there
  std::vector<uint64_t> shape;  // outermost first
  std::span<const std::byte> data;   // not necessarily aligned
  const MappedFile* file = nullptr;  // the shard it lies in; null after Parse
};

// Owns the mappings. Immutable after opening.
class SafetensorsFile {
 public:
  // path: a .safetensors file, a ...index.json, or a folder with either.
  // Rejects overlaps, holes, offsets out of range, headers over 100 MB; the index's total_size is
  // not trusted (it is stale in published files).
  static Result<SafetensorsFile> Open(const std::string& path);
  static Result<SafetensorsFile> Parse(std::span<const std::byte> bytes, const std::string& name);

  const std::vector<SafeTensor>& tensors() const { return tensors_; }
  const SafeTensor* Find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<std::shared_ptr<MappedFile>>& files() const { return files_; }

 private:
  friend class SafetensorsParser;
  static Result<SafetensorsFile> OpenFiles(const std::string& path);

  std::vector<std::shared_ptr<MappedFile>> files_;
  std::vector<SafeTensor> tensors_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, size_t, std::less<>> index_;
};

// One tensor to be written; `bytes` must stay valid until the call returns.
struct SafeTensorToWrite {
  std::string name;
  DType type;
  std::vector<uint64_t> shape;
  std::span<const std::byte> bytes;
};
// Header padded with spaces to 8 bytes; tensors sorted by element size (largest first), then by
// name.
Status WriteSafetensors(const std::string& path, std::vector<SafeTensorToWrite> tensors,
                        const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace mcv
