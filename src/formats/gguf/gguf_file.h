// GGUF: one mapped file of typed keys and named tensors, every size and offset checked before it is
// used.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "base/status.h"
#include "formats/dtype.h"

namespace mcv {

// Numbers as in the file format.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
const char* GgufTypeName(GgufType type);

// Integers of any width are widened, floats become double; arrays hold one kind. Strings view the
// mapping.
struct GgufValue {
  GgufType type = GgufType::kU32;
  GgufType element_type = GgufType::kU32;  // of an array
  std::variant<uint64_t, int64_t, double, bool, std::string_view, std::vector<int64_t>,
               std::vector<double>, std::vector<std::string_view>>
      value;
};

struct GgufKey {
  std::string_view name;
  GgufValue value;
};

struct GgufTensor {
  std::string_view name;
  DType type = DType::kF32;
  std::vector<uint64_t> dims;       // fastest first, 1 to 4
  std::span<const std::byte> data;  // exactly the tensor's bytes, inside the mapping
  uint64_t file_offset = 0;
  uint64_t rows() const;  // product of dims[1..]
  uint64_t columns() const { return dims.empty() ? 0 : dims[0]; }
};

// Owns the mapping (or borrows bytes in Parse); everything it returns lives as long as the object.
// Immutable after opening, so any number of threads may read it.
class GgufFile {
 public:
  static Result<GgufFile> Open(const std::string& path);
  // `bytes` must outlive the object; `name` is used in messages. Used by tests and fuzzers.
  static Result<GgufFile> Parse(std::span<const std::byte> bytes, const std::string& name);

  const std::string& name() const { return name_; }
  uint32_t version() const { return version_; }
  uint64_t file_bytes() const { return bytes_.size(); }
  const std::vector<GgufKey>& keys() const { return keys_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* FindTensor(std::string_view name) const;
  const GgufValue* FindKey(std::string_view name) const;
  // Null after Parse, where the bytes are the caller's.
  const MappedFile* file() const { return file_.get(); }
  const std::shared_ptr<MappedFile>& mapping() const { return file_; }

  // Typed access: NotFound when absent, Corrupt with expected and actual type when of another kind.
  // Any integer type is accepted where an integer is asked for, if the value fits.
  Result<uint64_t> GetUint(std::string_view key) const;
  Result<int64_t> GetInt(std::string_view key) const;
  Result<double> GetFloat(std::string_view key) const;
  Result<bool> GetBool(std::string_view key) const;
  Result<std::string_view> GetString(std::string_view key) const;
  Result<std::span<const std::string_view>> GetStrings(std::string_view key) const;
  Result<std::span<const int64_t>> GetInts(std::string_view key) const;
  Result<std::span<const double>> GetFloats(std::string_view key) const;

 private:
  friend class GgufParser;
  std::shared_ptr<MappedFile> file_;
  std::span<const std::byte> bytes_;
  std::string name_;
  uint32_t version_ = 0;
  std::vector<GgufKey> keys_;
  std::vector<GgufTensor> tensors_;
  std::vector<uint32_t> key_order_;  // indices sorted by name, for lookups
  std::vector<uint32_t> tensor_order_;
};

}  // namespace mcv
