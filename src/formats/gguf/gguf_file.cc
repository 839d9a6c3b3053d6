// Access to what the parser has already checked: lookups by name and typed answers. Everything here
// may assume a valid file; only what a caller asks for can still be absent or of another kind.
#include "formats/gguf/gguf_file.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/no_throw.h"
#include "formats/gguf/gguf_parser.h"
#include "formats/lfs_pointer.h"
#include "formats/printable.h"

namespace mcv {
namespace {

// The item of that name through the sorted order, or null.
template <typename Items>
auto FindByName(const Items& items, const std::vector<uint32_t>& order, std::string_view name)
    -> decltype(items.data()) {
  const auto found = std::lower_bound(
      order.begin(), order.end(), name,
      [&](uint32_t index, std::string_view wanted) { return items[index].name < wanted; });
  if (found == order.end() || items[*found].name != name) return nullptr;
  return &items[*found];
}

// "an array of i32", for messages.
std::string KindText(const GgufValue& value) {
  if (value.type != GgufType::kArray) return GgufTypeName(value.type);
  return std::string("an array of ") + GgufTypeName(value.element_type);
}

Status WrongKind(const GgufFile& file, std::string_view key, const char* expected,
                 const GgufValue& value) {
  return Corrupt(file.name() + ": key " + Printable(key) + ": expected " + expected + ", got " +
                 KindText(value));
}

Status WrongRange(const GgufFile& file, std::string_view key, const char* expected,
                  const std::string& actual) {
  return Corrupt(file.name() + ": key " + Printable(key) + ": expected " + expected + ", got " +
                 actual);
}

Status Missing(const GgufFile& file, std::string_view key) {
  return NotFound(file.name() + ": key " + Printable(key) + " is missing");
}

// The value as exactly T, or why not. Kinds are not converted into each other: a key that should be
// a float and is an integer was written by something that meant another thing.
template <typename T>
Result<const T*> GetAs(const GgufFile& file, std::string_view key, const char* expected) {
  const GgufValue* value = file.FindKey(key);
  if (value == nullptr) return Missing(file, key);
  const T* typed = std::get_if<T>(&value->value);
  if (typed == nullptr) return WrongKind(file, key, expected, *value);
  return typed;
}

}  // namespace

const char* GgufTypeName(GgufType type) {
  switch (type) {
    case GgufType::kU8:
      return "u8";
    case GgufType::kI8:
      return "i8";
    case GgufType::kU16:
      return "u16";
    case GgufType::kI16:
      return "i16";
    case GgufType::kU32:
      return "u32";
    case GgufType::kI32:
      return "i32";
    case GgufType::kF32:
      return "f32";
    case GgufType::kBool:
      return "bool";
    case GgufType::kString:
      return "string";
    case GgufType::kArray:
      return "array";
    case GgufType::kU64:
      return "u64";
    case GgufType::kI64:
      return "i64";
    case GgufType::kF64:
      return "f64";
  }
  return "unknown";
}

uint64_t GgufTensor::rows() const {
  uint64_t product = 1;  // fits: the parser refused larger element counts
  for (size_t i = 1; i < dims.size(); ++i) product *= dims[i];
  return product;
}

namespace {

// What people give in a GGUF's place.
Status CheckNotAnotherKind(std::span<const std::byte> bytes, const std::string& name) {
  using namespace std::string_view_literals;
  MCV_RETURN_IF_ERROR(CheckNotLfsPointer(bytes, name, "model"));
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min<size_t>(bytes.size(), 64));
  if (head.starts_with("PK\3\4"sv) || head.starts_with("\x80\2"sv)) {
    return Unsupported(name +
                       ": is a pickle of PyTorch (or an archive), which can run code and is not "
                       "read; expected a .gguf file or a folder with .safetensors files");
  }
  // An importance matrix before it was a GGUF: a count, then names of tensors with their lengths.
  if (head.size() >= 16 && head.substr(8, 4) == "blk."sv) {
    return Unsupported(name + ": is an importance matrix (imatrix), which helps to quantise a " +
                       "model; expected the model itself");
  }
  return OkStatus();
}

}  // namespace

Result<GgufFile> GgufFile::OpenOne(const std::string& path) {
  return WithoutThrowing(path, [&]() -> Result<GgufFile> {
    MCV_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
    // Shared, so that moving the GgufFile leaves every view into the mapping where it was.
    auto shared = std::make_shared<MappedFile>(std::move(mapped));
    MCV_RETURN_IF_ERROR(CheckNotAnotherKind(shared->data(), path));
    auto file = Parse(shared->data(), path);
    // The file may have been cut while it was read: then that is what is wrong.
    if (shared->damaged()) return shared->CheckIntact();
    if (!file.ok()) return file;
    for (GgufTensor& tensor : file->tensors_) tensor.file = shared.get();
    file->mappings_.push_back(std::move(shared));
    return file;
  });
}

Result<GgufFile> GgufFile::Parse(std::span<const std::byte> bytes, const std::string& name) {
  return WithoutThrowing(name, [&] { return GgufParser(bytes, name).Parse(); });
}

namespace {

// The text of a key in the first part of a file, found by its bytes: keys before it need not be
// understood, and the vocabulary is not read.
std::string TextOfKey(std::string_view head, std::string_view key) {
  const auto number = [&](size_t at, size_t bytes) {
    uint64_t value = 0;
    std::memcpy(&value, head.data() + at, bytes);
    return value;
  };
  constexpr size_t kMostText = 64;
  for (size_t at = head.find(key); at != std::string_view::npos; at = head.find(key, at + 1)) {
    const size_t value = at + key.size();
    if (at < 8 || head.size() - value < 12 || number(at - 8, 8) != key.size()) continue;
    if (number(value, 4) != static_cast<uint32_t>(GgufType::kString)) continue;
    const uint64_t length = number(value + 4, 8);
    if (length <= kMostText && head.size() - value - 12 >= length) {
      return std::string(head.substr(value + 12, length));
    }
  }
  return {};
}

}  // namespace

GgufKind ReadGgufKind(const std::string& path) {
  constexpr size_t kMostBytes = 1 << 16;  // both keys are among the first that writers write
  const auto mapped = MappedFile::Open(path);
  if (!mapped.ok()) return {};
  const std::string_view head(reinterpret_cast<const char*>(mapped->data().data()),
                              std::min<size_t>(mapped->data().size(), kMostBytes));
  if (!head.starts_with("GGUF")) return {};
  return {TextOfKey(head, "general.architecture"), TextOfKey(head, "general.type")};
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  return FindByName(tensors_, tensor_order_, name);
}

const GgufValue* GgufFile::FindKey(std::string_view name) const {
  const GgufKey* key = FindByName(keys_, key_order_, name);
  return key == nullptr ? nullptr : &key->value;
}

// Writers differ in the width and sign that they give the same key (u32, i32, u64), so integers are
// the exception: any of them is taken if the value fits.
Result<uint64_t> GgufFile::GetUint(std::string_view key) const {
  const GgufValue* value = FindKey(key);
  if (value == nullptr) return Missing(*this, key);
  if (const auto* number = std::get_if<uint64_t>(&value->value)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value->value)) {
    if (*number >= 0) return static_cast<uint64_t>(*number);
    return WrongRange(*this, key, "a number that is not negative", std::to_string(*number));
  }
  return WrongKind(*this, key, "an integer", *value);
}

Result<int64_t> GgufFile::GetInt(std::string_view key) const {
  const GgufValue* value = FindKey(key);
  if (value == nullptr) return Missing(*this, key);
  if (const auto* number = std::get_if<int64_t>(&value->value)) return *number;
  if (const auto* number = std::get_if<uint64_t>(&value->value)) {
    if (*number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return static_cast<int64_t>(*number);
    }
    return WrongRange(*this, key, "a number below 2^63", std::to_string(*number));
  }
  return WrongKind(*this, key, "an integer", *value);
}

Result<double> GgufFile::GetFloat(std::string_view key) const {
  MCV_ASSIGN_OR_RETURN(const double* value, GetAs<double>(*this, key, "a float"));
  return *value;
}

Result<bool> GgufFile::GetBool(std::string_view key) const {
  MCV_ASSIGN_OR_RETURN(const bool* value, GetAs<bool>(*this, key, "a bool"));
  return *value;
}

Result<std::string_view> GgufFile::GetString(std::string_view key) const {
  MCV_ASSIGN_OR_RETURN(const auto* value, GetAs<std::string_view>(*this, key, "a string"));
  return *value;
}

Result<std::span<const std::string_view>> GgufFile::GetStrings(std::string_view key) const {
  using Strings = std::vector<std::string_view>;
  MCV_ASSIGN_OR_RETURN(const auto* value, GetAs<Strings>(*this, key, "an array of strings"));
  return std::span<const std::string_view>(*value);
}

Result<std::span<const int64_t>> GgufFile::GetInts(std::string_view key) const {
  using Ints = std::vector<int64_t>;
  MCV_ASSIGN_OR_RETURN(const auto* value, GetAs<Ints>(*this, key, "an array of integers"));
  return std::span<const int64_t>(*value);
}

Result<std::span<const double>> GgufFile::GetFloats(std::string_view key) const {
  using Floats = std::vector<double>;
  MCV_ASSIGN_OR_RETURN(const auto* value, GetAs<Floats>(*this, key, "an array of floats"));
  return std::span<const double>(*value);
}

}  // namespace mcv
