// Writes GGUF version 3: keys in the order they are added, tensors padded to the alignment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "formats/dtype.h"
#include "formats/gguf/gguf_file.h"

namespace mcv {

// Collects keys and tensor descriptions, then writes all in one pass. Tensor bytes are asked for
// one tensor at a time, so a file larger than memory can be written.
class GgufWriter {
 public:
  GgufWriter();
  ~GgufWriter();
  GgufWriter(GgufWriter&&) noexcept;
  GgufWriter& operator=(GgufWriter&&) noexcept;

  void AddU32(std::string_view key, uint32_t value);
  void AddI32(std::string_view key, int32_t value);
  void AddU64(std::string_view key, uint64_t value);
  void AddF32(std::string_view key, float value);
  void AddBool(std::string_view key, bool value);
  void AddString(std::string_view key, std::string_view value);
  void AddStrings(std::string_view key, const std::vector<std::string>& values);
  void AddI32s(std::string_view key, const std::vector<int32_t>& values);
  void AddF32s(std::string_view key, const std::vector<float>& values);

  // Any value in its own type and width, for instance one read from another file. The variant must
  // hold what a reader would hold for value.type.
  void AddValue(std::string_view key, const GgufValue& value);

  // dims fastest first. The producer returns exactly the tensor's bytes when Write reaches it.
  using Producer = std::function<Result<std::vector<std::byte>>()>;
  void AddTensor(std::string_view name, DType type, std::vector<uint64_t> dims, Producer producer);
  // Copies the bytes now.
  void AddTensor(std::string_view name, DType type, std::vector<uint64_t> dims,
                 std::span<const std::byte> bytes);

  // Nothing half-written stays behind on failure.
  Status Write(const std::string& path) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mcv
