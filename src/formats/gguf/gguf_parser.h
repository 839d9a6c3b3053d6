// Turns bytes into a GgufFile, believing nothing: private to formats/gguf.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "formats/gguf/gguf_file.h"

namespace mcv {

// The shortest possible tensor description: an empty name, one dimension, type, offset.
inline constexpr uint64_t kMinGgufTensorBytes = 8 + 4 + 8 + 4 + 8;

// A position in the file that can only move inside it. Read functions answer false, and do not
// move, when the file has too few bytes left.
class GgufCursor {
 public:
  explicit GgufCursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }

  // T is a fixed-size number; files are little endian, and so are the machines this runs on.
  template <typename T>
  bool Read(T* out) {
    if (left() < sizeof(T)) return false;
    std::memcpy(out, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }
  bool ReadString(std::string_view* out);

 private:
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

// Parses in file order: header, keys, tensor descriptions; then places the tensors in the data
// area. One use.
class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes, const std::string& name);
  Result<GgufFile> Parse();

 private:
  Status ReadHeader();
  Status ReadVersion();
  Status ReadKeys();
  Status ReadKey(uint64_t index);
  Status ReadValue(std::string_view key, GgufType type, GgufValue* out);
  Status ReadArray(std::string_view key, GgufValue* out);
  Status ReadElements(std::string_view key, uint64_t count, GgufValue* out);
  Status ReadStrings(std::string_view key, uint64_t count, GgufValue* out);
  Status ReadAlignment();
  Status ReadTensors();
  Status ReadTensor(uint64_t index);
  Status ReadDims(GgufTensor* tensor);
  Status ReadTensorType(GgufTensor* tensor);
  Status PlaceTensors();
  Status PlaceTensor(uint64_t data_start, GgufTensor* tensor);
  Status CheckDuplicates();
  Status CheckOverlaps() const;

  // "file: where: the file ends at byte N" and the like.
  Status Bad(const std::string& what) const;
  Status EndsEarly(const std::string& where) const;

  GgufCursor cursor_;
  GgufFile file_;
  uint64_t alignment_ = 32;
  uint64_t tensor_count_ = 0;
  uint64_t key_count_ = 0;
  uint64_t array_elements_ = 0;  // so far, in all arrays
};

}  // namespace mcv
