// GGUF: one mapped file of typed keys and named tensors, every size and offset checked before it is
// used.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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
  const MappedFile* file = nullptr;  // null after Parse
  uint64_t rows() const;             // product of dims[1..]
  uint64_t columns() const { return dims.empty() ? 0 : dims[0]; }
};

// "...-00002-of-00003.gguf": a part of a split model.
struct GgufPart {
  uint64_t number = 0;  // from 1
  uint64_t count = 0;
};
std::optional<GgufPart> GgufPartOf(const std::string& path);

// What a GGUF is, by its keys general.architecture and general.type, read without the rest.
struct GgufKind {
  std::string architecture;  // "llama", "clip" (an mmproj file), ...
  std::string type;          // "model", "adapter", "imatrix", ...; empty if it does not say
};
// Empty strings for a file that is none or does not say; never an error.
GgufKind ReadGgufKind(const std::string& path);

// Owns the mapping (or borrows bytes in Parse); everything it returns lives as long as the object.
// Immutable after opening, so any number of threads may read it.
class GgufFile {
 public:
  // All parts of a split model together, whichever of them is named. A file that is not a GGUF at
  // all is named for what it is where that is known.
  static Result<GgufFile> Open(const std::string& path);
  // `bytes` must outlive the object; `name` is used in messages. Used by tests and fuzzers.
  static Result<GgufFile> Parse(std::span<const std::byte> bytes, const std::string& name);

  const std::string& name() const { return name_; }
  uint32_t version() const { return version_; }
  uint64_t file_bytes() const { return file_bytes_; }  // of all parts
  const std::vector<GgufKey>& keys() const { return keys_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* FindTensor(std::string_view name) const;
  const GgufValue* FindKey(std::string_view name) const;
  // One for each part; none after Parse, where the bytes are the caller's.
  const std::vector<std::shared_ptr<MappedFile>>& mappings() const { return mappings_; }

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
  static Result<GgufFile> OpenOne(const std::string& path);
  static Result<GgufFile> Join(std::vector<GgufFile> parts);
  Status CheckPart(uint64_t index, uint64_t count) const;

  std::vector<std::shared_ptr<MappedFile>> mappings_;
  std::span<const std::byte> bytes_;  // of the first part
  uint64_t file_bytes_ = 0;
  std::string name_;
  uint32_t version_ = 0;
  std::vector<GgufKey> keys_;
  std::vector<GgufTensor> tensors_;
  std::vector<uint32_t> key_order_;  // indices sorted by name, for lookups
  std::vector<uint32_t> tensor_order_;
};

}  // namespace mcv
