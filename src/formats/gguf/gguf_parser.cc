// Every count is compared with the bytes that are left before anything is allocated for it, so what
// a file makes this code allocate stays in proportion to the file's own size.
#include "formats/gguf/gguf_parser.h"

#include <bit>
#include <cstring>
#include <limits>

#include "formats/printable.h"

namespace mcv {
namespace {

static_assert(std::endian::native == std::endian::little, "files are read in place");

// Far above any model, and low enough that widening every number to 64 bits stays harmless.
constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kMaxTensors = 1 << 18;
constexpr uint64_t kMaxArrayElements = 1 << 24;  // in all arrays of a file together
constexpr size_t kMaxKeyName = 65'535;
constexpr uint64_t kMinAlignment = 8;
constexpr uint64_t kMaxAlignment = 1 << 20;
// The shortest possible key: an empty name, a type, a one-byte value.
constexpr uint64_t kMinKeyBytes = 8 + 4 + 1;

// Bytes of one value; a string's is the least it can take. 0 for what is not a scalar type.
uint64_t ScalarBytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
    case GgufType::kString:
      return 8;
    case GgufType::kArray:
      break;
  }
  return 0;
}

// Reads `count` numbers of type T and appends them widened; false when one does not fit.
template <typename T, typename Wide>
bool AppendWidened(GgufCursor* cursor, uint64_t count, std::vector<Wide>* out) {
  out->reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    T value;
    if (!cursor->Read(&value)) return false;
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return false;
    }
    out->push_back(static_cast<Wide>(value));
  }
  return true;
}

bool AppendInts(GgufCursor* cursor, GgufType type, uint64_t count, std::vector<int64_t>* out) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kBool:
      return AppendWidened<uint8_t>(cursor, count, out);
    case GgufType::kI8:
      return AppendWidened<int8_t>(cursor, count, out);
    case GgufType::kU16:
      return AppendWidened<uint16_t>(cursor, count, out);
    case GgufType::kI16:
      return AppendWidened<int16_t>(cursor, count, out);
    case GgufType::kU32:
      return AppendWidened<uint32_t>(cursor, count, out);
    case GgufType::kI32:
      return AppendWidened<int32_t>(cursor, count, out);
    case GgufType::kU64:
      return AppendWidened<uint64_t>(cursor, count, out);
    case GgufType::kI64:
      return AppendWidened<int64_t>(cursor, count, out);
    default:
      return false;
  }
}

template <typename T, typename Wide>
bool ReadWidened(GgufCursor* cursor, GgufValue* out) {
  T value;
  if (!cursor->Read(&value)) return false;
  out->value = static_cast<Wide>(value);
  return true;
}

bool ReadNumber(GgufCursor* cursor, GgufType type, GgufValue* out) {
  switch (type) {
    case GgufType::kU8:
      return ReadWidened<uint8_t, uint64_t>(cursor, out);
    case GgufType::kU16:
      return ReadWidened<uint16_t, uint64_t>(cursor, out);
    case GgufType::kU32:
      return ReadWidened<uint32_t, uint64_t>(cursor, out);
    case GgufType::kU64:
      return ReadWidened<uint64_t, uint64_t>(cursor, out);
    case GgufType::kI8:
      return ReadWidened<int8_t, int64_t>(cursor, out);
    case GgufType::kI16:
      return ReadWidened<int16_t, int64_t>(cursor, out);
    case GgufType::kI32:
      return ReadWidened<int32_t, int64_t>(cursor, out);
    case GgufType::kI64:
      return ReadWidened<int64_t, int64_t>(cursor, out);
    case GgufType::kF32:
      return ReadWidened<float, double>(cursor, out);
    case GgufType::kF64:
      return ReadWidened<double, double>(cursor, out);
    default:
      return false;
  }
}

}  // namespace

bool GgufCursor::ReadString(std::string_view* out) {
  uint64_t length;
  if (left() < sizeof(length)) return false;
  std::memcpy(&length, bytes_.data() + position_, sizeof(length));
  if (length > left() - sizeof(length)) return false;
  *out = {reinterpret_cast<const char*>(bytes_.data() + position_ + sizeof(length)),
          static_cast<size_t>(length)};
  position_ += sizeof(length) + length;
  return true;
}

GgufParser::GgufParser(std::span<const std::byte> bytes, const std::string& name) : cursor_(bytes) {
  file_.bytes_ = bytes;
  file_.file_bytes_ = bytes.size();
  file_.name_ = name;
}

Result<GgufFile> GgufParser::Parse() {
  MCV_RETURN_IF_ERROR(ReadHeader());
  MCV_RETURN_IF_ERROR(ReadKeys());
  MCV_RETURN_IF_ERROR(ReadAlignment());
  MCV_RETURN_IF_ERROR(ReadTensors());
  MCV_RETURN_IF_ERROR(CheckDuplicates());
  MCV_RETURN_IF_ERROR(PlaceTensors());
  return std::move(file_);
}

Status GgufParser::Bad(const std::string& what) const { return Corrupt(file_.name_ + ": " + what); }

Status GgufParser::EndsEarly(const std::string& where) const {
  return Bad(where + ": reaches past the end of the file (" + std::to_string(cursor_.left()) +
             " bytes left at byte " + std::to_string(cursor_.position()) + " of " +
             std::to_string(file_.bytes_.size()) + "); the file is damaged or incomplete");
}

Status GgufParser::ReadHeader() {
  // The magic first: a web page saved under a model's name is the commonest wrong file.
  char magic[4];
  if (!cursor_.Read(&magic)) return EndsEarly("header");
  if (std::memcmp(magic, "GGUF", 4) != 0) {
    return Bad("is not a GGUF file: expected it to begin with 'GGUF', got " +
               Printable({magic, sizeof(magic)}));
  }
  MCV_RETURN_IF_ERROR(ReadVersion());
  if (!cursor_.Read(&tensor_count_) || !cursor_.Read(&key_count_)) return EndsEarly("header");
  // Both claims are held against what the rest of the file could hold at most.
  if (key_count_ > cursor_.left() / kMinKeyBytes) {
    return Bad("header claims " + std::to_string(key_count_) + " keys, more than its " +
               std::to_string(cursor_.left()) + " bytes can hold");
  }
  if (tensor_count_ > cursor_.left() / kMinGgufTensorBytes) {
    return Bad("header claims " + std::to_string(tensor_count_) + " tensors, more than its " +
               std::to_string(cursor_.left()) + " bytes can hold");
  }
  if (key_count_ > kMaxKeys || tensor_count_ > kMaxTensors) {
    return ResourceExhausted(file_.name_ + ": has " + std::to_string(key_count_) + " keys and " +
                             std::to_string(tensor_count_) + " tensors; at most " +
                             std::to_string(kMaxKeys) + " and " + std::to_string(kMaxTensors) +
                             " are read");
  }
  return OkStatus();
}

Status GgufParser::ReadVersion() {
  uint32_t version;
  if (!cursor_.Read(&version)) return EndsEarly("header");
  const std::string file = file_.name_ + ": ";
  // Versions are small, so a number with only high bytes is one that was stored the other way
  // round.
  if (version != 0 && (version & 0xffff) == 0) {
    return Unsupported(file + "is a big-endian GGUF file; only little-endian files are read");
  }
  if (version == 1) {
    return Unsupported(file + "is GGUF version 1 (of 2023); versions 2 and 3 are read. " +
                       "Convert the model again");
  }
  if (version != 2 && version != 3) {
    return Unsupported(file + "is GGUF version " + std::to_string(version) +
                       "; versions 2 and 3 are read");
  }
  file_.version_ = version;
  return OkStatus();
}

Status GgufParser::ReadKeys() {
  file_.keys_.reserve(key_count_);
  for (uint64_t i = 0; i < key_count_; ++i) MCV_RETURN_IF_ERROR(ReadKey(i));
  return OkStatus();
}

Status GgufParser::ReadKey(uint64_t index) {
  const auto number = [&] {
    return "key " + std::to_string(index + 1) + " of " + std::to_string(key_count_);
  };
  GgufKey key;
  if (!cursor_.ReadString(&key.name)) return EndsEarly(number() + ": its name");
  if (key.name.empty() || key.name.size() > kMaxKeyName) {
    return Bad(number() + ": its name has " + std::to_string(key.name.size()) +
               " bytes, expected 1 to " + std::to_string(kMaxKeyName));
  }
  uint32_t type;
  if (!cursor_.Read(&type)) return EndsEarly("key " + Printable(key.name));
  if (type > static_cast<uint32_t>(GgufType::kF64)) {
    return Bad("key " + Printable(key.name) + ": has value type " + std::to_string(type) +
               ", expected 0 to 12");
  }
  key.value.type = static_cast<GgufType>(type);
  MCV_RETURN_IF_ERROR(ReadValue(key.name, key.value.type, &key.value));
  file_.keys_.push_back(std::move(key));
  return OkStatus();
}

Status GgufParser::ReadValue(std::string_view key, GgufType type, GgufValue* out) {
  if (type == GgufType::kArray) return ReadArray(key, out);
  bool complete = false;
  if (type == GgufType::kString) {
    std::string_view text;
    complete = cursor_.ReadString(&text);
    out->value = text;
  } else if (type == GgufType::kBool) {
    uint8_t byte = 0;
    complete = cursor_.Read(&byte);
    // A reader that takes any byte for "true" would hide a shifted or damaged file.
    if (byte > 1) {
      return Bad("key " + Printable(key) + ": a bool is 0 or 1, got " + std::to_string(byte));
    }
    out->value = byte == 1;
  } else {
    complete = ReadNumber(&cursor_, type, out);
  }
  return complete ? OkStatus() : EndsEarly("key " + Printable(key));
}

Status GgufParser::ReadArray(std::string_view key, GgufValue* out) {
  uint32_t type;
  uint64_t count;
  if (!cursor_.Read(&type) || !cursor_.Read(&count)) return EndsEarly("key " + Printable(key));
  if (type > static_cast<uint32_t>(GgufType::kF64)) {
    return Bad("key " + Printable(key) + ": is an array of value type " + std::to_string(type) +
               ", expected 0 to 12");
  }
  out->element_type = static_cast<GgufType>(type);
  if (out->element_type == GgufType::kArray) {
    return Unsupported(file_.name_ + ": key " + Printable(key) +
                       ": is an array of arrays, which no known reader accepts");
  }
  if (count > cursor_.left() / ScalarBytes(out->element_type)) {
    return Bad("key " + Printable(key) + ": claims an array of " + std::to_string(count) + " " +
               GgufTypeName(out->element_type) + " values, more than the " +
               std::to_string(cursor_.left()) + " bytes left can hold");
  }
  array_elements_ += count;
  if (array_elements_ > kMaxArrayElements) {
    return ResourceExhausted(file_.name_ + ": key " + Printable(key) +
                             ": brings the arrays of this file to " +
                             std::to_string(array_elements_) + " elements; at most " +
                             std::to_string(kMaxArrayElements) + " are read");
  }
  return ReadElements(key, count, out);
}

Status GgufParser::ReadElements(std::string_view key, uint64_t count, GgufValue* out) {
  switch (out->element_type) {
    case GgufType::kString:
      return ReadStrings(key, count, out);
    case GgufType::kF32:
      AppendWidened<float>(&cursor_, count, &out->value.emplace<std::vector<double>>());
      return OkStatus();
    case GgufType::kF64:
      AppendWidened<double>(&cursor_, count, &out->value.emplace<std::vector<double>>());
      return OkStatus();
    default:
      break;
  }
  // The bytes are there, so only a number above 2^63 can fail.
  if (!AppendInts(&cursor_, out->element_type, count,
                  &out->value.emplace<std::vector<int64_t>>())) {
    return Unsupported(file_.name_ + ": key " + Printable(key) +
                       ": an array element does not fit into a signed 64-bit number");
  }
  return OkStatus();
}

Status GgufParser::ReadStrings(std::string_view key, uint64_t count, GgufValue* out) {
  auto& strings = out->value.emplace<std::vector<std::string_view>>();
  strings.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view text;
    if (!cursor_.ReadString(&text)) {
      return EndsEarly("key " + Printable(key) + ": string " + std::to_string(i + 1) + " of " +
                       std::to_string(count));
    }
    strings.push_back(text);
  }
  return OkStatus();
}

// The alignment may stand anywhere among the keys, so it is looked for after all of them.
Status GgufParser::ReadAlignment() {
  for (const GgufKey& key : file_.keys_) {
    if (key.name != "general.alignment") continue;
    const uint64_t* value = std::get_if<uint64_t>(&key.value.value);
    if (value == nullptr || key.value.type != GgufType::kU32) {
      return Bad(std::string("key 'general.alignment': expected a u32, got ") +
                 GgufTypeName(key.value.type));
    }
    if (!std::has_single_bit(*value) || *value < kMinAlignment || *value > kMaxAlignment) {
      return Bad("key 'general.alignment': expected a power of two from " +
                 std::to_string(kMinAlignment) + " to " + std::to_string(kMaxAlignment) + ", got " +
                 std::to_string(*value));
    }
    alignment_ = *value;
  }
  return OkStatus();
}

}  // namespace mcv
