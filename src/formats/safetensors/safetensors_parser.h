// The header of one .safetensors file, checked and appended to a SafetensorsFile: private to
// formats/safetensors.
#pragma once

#include <span>
#include <string>

#include "base/status.h"
#include "formats/safetensors/safetensors_file.h"

namespace mcv {

class SafetensorsParser {
 public:
  explicit SafetensorsParser(SafetensorsFile* file) : file_(file) {}

  // One shard; `mapped` owns `bytes`, or is null when the caller does.
  Status AddShard(std::span<const std::byte> bytes, const std::string& name,
                  std::shared_ptr<MappedFile> mapped);
  // Maps the file at `path` and adds it.
  Status AddShardFile(const std::string& path);
  // All shards that an index names, with every tensor where the index says.
  Status AddIndexed(const std::string& index_path);

 private:
  Status AddTensor(SafeTensor tensor, const std::string& shard_name);

  SafetensorsFile* file_;
};

}  // namespace mcv
