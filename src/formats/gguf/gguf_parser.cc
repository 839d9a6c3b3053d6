// Every count is compared with the bytes that are left before anything is allocated for it, so what
// a file makes this code allocate stays in proportion to the file's own size.
#include "formats/gguf/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/checked.h"
#include "formats/printable.h"

namespace mcv {
namespace {

static_assert(std::endian::native == std::endian::little, "files are read in place");

constexpr uint64_t kMaxDims = 4;
constexpr size_t kMaxTensorName = 63;  // llama.cpp keeps names in 64 bytes with a terminator
constexpr size_t kMaxKeyName = 65'535;
constexpr uint64_t kMinAlignment = 8;
constexpr uint64_t kMaxAlignment = 1 << 20;
// The shortest possible key: an empty name, a type, a one-byte value.
constexpr uint64_t kMinKeyBytes = 8 + 4 + 1;
// The shortest possible tensor description: an empty name, one dimension, type, offset.
constexpr uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;

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

// Names of types that exist elsewhere, so that a refusal can say what the file holds.
const char* ForeignTypeName(uint32_t number) {
  switch (number) {
    case 4:
      return "Q4_2, removed from the format";
    case 5:
      return "Q4_3, removed from the format";
    case 9:
      return "Q8_1";
    case 15:
      return "Q8_K";
    case 16:
      return "IQ2_XXS";
    case 17:
      return "IQ2_XS";
    case 18:
      return "IQ3_XXS";
    case 19:
      return "IQ1_S";
    case 21:
      return "IQ3_S";
    case 22:
      return "IQ2_S";
    case 23:
      return "IQ4_XS";
    case 29:
      return "IQ1_M";
    case 34:
      return "TQ1_0";
    case 35:
      return "TQ2_0";
    case 39:
      return "MXFP4";
    default:
      return "unknown";
  }
}

std::string DimsText(const std::vector<uint64_t>& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  }
  return text + "]";
}

// Indices of the items in the order of their names.
template <typename Items>
std::vector<uint32_t> OrderByName(const Items& items) {
  std::vector<uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return items[a].name < items[b].name; });
  return order;
}

// The first name that occurs twice, or null.
template <typename Items>
const std::string_view* FirstDuplicate(const Items& items, const std::vector<uint32_t>& order) {
  for (size_t i = 1; i < order.size(); ++i) {
    if (items[order[i - 1]].name == items[order[i]].name) return &items[order[i]].name;
  }
  return nullptr;
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

}  // namespace

template <typename T>
bool GgufCursor::Read(T* out) {
  if (left() < sizeof(T)) return false;
  std::memcpy(out, bytes_.data() + position_, sizeof(T));
  position_ += sizeof(T);
  return true;
}

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
  char magic[4];
  if (!cursor_.Read(&magic)) return EndsEarly("header");
  if (std::memcmp(magic, "GGUF", 4) != 0) {
    return Bad("is not a GGUF file: expected it to begin with 'GGUF', got " +
               Printable({magic, sizeof(magic)}));
  }
  MCV_RETURN_IF_ERROR(ReadVersion());
  if (!cursor_.Read(&tensor_count_) || !cursor_.Read(&key_count_)) return EndsEarly("header");
  if (key_count_ > cursor_.left() / kMinKeyBytes) {
    return Bad("header claims " + std::to_string(key_count_) + " keys, more than its " +
               std::to_string(cursor_.left()) + " bytes can hold");
  }
  if (tensor_count_ > cursor_.left() / kMinTensorBytes) {
    return Bad("header claims " + std::to_string(tensor_count_) + " tensors, more than its " +
               std::to_string(cursor_.left()) + " bytes can hold");
  }
  return OkStatus();
}

Status GgufParser::ReadVersion() {
  uint32_t version;
  if (!cursor_.Read(&version)) return EndsEarly("header");
  const std::string file = file_.name_ + ": ";
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
  bool complete = false;
  switch (type) {
    case GgufType::kU8:
      complete = ReadWidened<uint8_t, uint64_t>(&cursor_, out);
      break;
    case GgufType::kU16:
      complete = ReadWidened<uint16_t, uint64_t>(&cursor_, out);
      break;
    case GgufType::kU32:
      complete = ReadWidened<uint32_t, uint64_t>(&cursor_, out);
      break;
    case GgufType::kU64:
      complete = ReadWidened<uint64_t, uint64_t>(&cursor_, out);
      break;
    case GgufType::kI8:
      complete = ReadWidened<int8_t, int64_t>(&cursor_, out);
      break;
    case GgufType::kI16:
      complete = ReadWidened<int16_t, int64_t>(&cursor_, out);
      break;
    case GgufType::kI32:
      complete = ReadWidened<int32_t, int64_t>(&cursor_, out);
      break;
    case GgufType::kI64:
      complete = ReadWidened<int64_t, int64_t>(&cursor_, out);
      break;
    case GgufType::kF32:
      complete = ReadWidened<float, double>(&cursor_, out);
      break;
    case GgufType::kF64:
      complete = ReadWidened<double, double>(&cursor_, out);
      break;
    case GgufType::kBool: {
      uint8_t byte = 0;
      complete = cursor_.Read(&byte);
      if (byte > 1) {
        return Bad("key " + Printable(key) + ": a bool is 0 or 1, got " + std::to_string(byte));
      }
      out->value = byte == 1;
      break;
    }
    case GgufType::kString: {
      std::string_view text;
      complete = cursor_.ReadString(&text);
      out->value = text;
      break;
    }
    case GgufType::kArray:
      return ReadArray(key, out);
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

Status GgufParser::ReadTensors() {
  if (tensor_count_ > cursor_.left() / kMinTensorBytes) {
    return Bad("header claims " + std::to_string(tensor_count_) + " tensors, more than the " +
               std::to_string(cursor_.left()) + " bytes after the keys can describe");
  }
  file_.tensors_.reserve(tensor_count_);
  for (uint64_t i = 0; i < tensor_count_; ++i) MCV_RETURN_IF_ERROR(ReadTensor(i));
  return OkStatus();
}

Status GgufParser::ReadTensor(uint64_t index) {
  const auto number = [&] {
    return "tensor " + std::to_string(index + 1) + " of " + std::to_string(tensor_count_);
  };
  GgufTensor tensor;
  if (!cursor_.ReadString(&tensor.name)) return EndsEarly(number() + ": its name");
  if (tensor.name.empty() || tensor.name.size() > kMaxTensorName) {
    return Bad(number() + " (" + Printable(tensor.name) + "): its name has " +
               std::to_string(tensor.name.size()) + " bytes, expected 1 to " +
               std::to_string(kMaxTensorName));
  }
  MCV_RETURN_IF_ERROR(ReadDims(&tensor));
  MCV_RETURN_IF_ERROR(ReadTensorType(&tensor));
  // Relative to the data area, whose beginning is only known after the last description.
  if (!cursor_.Read(&tensor.file_offset)) {
    return EndsEarly("tensor " + Printable(tensor.name) + ": its offset");
  }
  file_.tensors_.push_back(std::move(tensor));
  return OkStatus();
}

Status GgufParser::ReadDims(GgufTensor* tensor) {
  const auto where = [&] { return "tensor " + Printable(tensor->name); };
  uint32_t count;
  if (!cursor_.Read(&count)) return EndsEarly(where());
  if (count < 1 || count > kMaxDims) {
    return Bad(where() + ": has " + std::to_string(count) + " dimensions, expected 1 to " +
               std::to_string(kMaxDims));
  }
  uint64_t elements = 1;
  for (uint32_t i = 0; i < count; ++i) {
    uint64_t dim;
    if (!cursor_.Read(&dim)) return EndsEarly(where() + ": its dimensions");
    tensor->dims.push_back(dim);
    if (dim == 0) return Bad(where() + ": dimension " + std::to_string(i) + " is 0");
    // Signed 64-bit element counts are what every consumer indexes with.
    if (__builtin_mul_overflow(elements, dim, &elements) ||
        elements > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Bad(where() + ": dimensions " + DimsText(tensor->dims) +
                 " multiply to more elements than 63 bits can count");
    }
  }
  return OkStatus();
}

Status GgufParser::ReadTensorType(GgufTensor* tensor) {
  const auto where = [&] { return "tensor " + Printable(tensor->name); };
  uint32_t number;
  if (!cursor_.Read(&number)) return EndsEarly(where() + ": its type");
  const DTypeTraits* traits = FindDType(number);
  if (traits == nullptr) {
    return Unsupported(file_.name_ + ": " + where() + ": has type number " +
                       std::to_string(number) + " (" + ForeignTypeName(number) +
                       "), which this program does not read; quantise the model again as, for "
                       "instance, Q4_K_M or Q8_0");
  }
  tensor->type = traits->type;
  if (tensor->dims[0] % traits->block_elements != 0) {
    return Bad(where() + ": type " + std::string(traits->name) + " needs rows of whole blocks of " +
               std::to_string(traits->block_elements) + " elements, got dimensions " +
               DimsText(tensor->dims));
  }
  return OkStatus();
}

Status GgufParser::CheckDuplicates() {
  file_.key_order_ = OrderByName(file_.keys_);
  file_.tensor_order_ = OrderByName(file_.tensors_);
  if (const auto* name = FirstDuplicate(file_.keys_, file_.key_order_)) {
    return Bad("key " + Printable(*name) + ": occurs more than once");
  }
  if (const auto* name = FirstDuplicate(file_.tensors_, file_.tensor_order_)) {
    return Bad("tensor " + Printable(*name) + ": occurs more than once");
  }
  return OkStatus();
}

Status GgufParser::PlaceTensors() {
  const auto data_start = CheckedAlignUp(cursor_.position(), alignment_);
  if (!data_start) return EndsEarly("tensor data");
  for (GgufTensor& tensor : file_.tensors_) {
    MCV_RETURN_IF_ERROR(PlaceTensor(*data_start, &tensor));
  }
  return CheckOverlaps();
}

Status GgufParser::PlaceTensor(uint64_t data_start, GgufTensor* tensor) {
  const auto where = [&] { return "tensor " + Printable(tensor->name); };
  if (tensor->file_offset % alignment_ != 0) {
    return Bad(where() + ": offset " + std::to_string(tensor->file_offset) +
               " is not a multiple of the alignment " + std::to_string(alignment_));
  }
  const auto row_bytes = RowBytes(tensor->type, tensor->dims[0]);
  const auto bytes =
      row_bytes ? CheckedMul<uint64_t>(*row_bytes, tensor->rows()) : std::optional<uint64_t>();
  const auto begin = CheckedAdd<uint64_t>(data_start, tensor->file_offset);
  const auto end = begin && bytes ? CheckedAdd<uint64_t>(*begin, *bytes) : bytes;
  if (!begin || !bytes || !end || *end > file_.bytes_.size()) {
    return Bad(where() + ": " + std::string(Traits(tensor->type).name) + " " +
               DimsText(tensor->dims) + " at offset " + std::to_string(tensor->file_offset) +
               " (data begins at byte " + std::to_string(data_start) + ") needs " +
               (bytes ? std::to_string(*bytes) + " bytes" : std::string("2^64 bytes or more")) +
               " and reaches past the end of the file, which has " +
               std::to_string(file_.bytes_.size()) + " bytes; the file is damaged or incomplete");
  }
  tensor->file_offset = *begin;
  tensor->data = file_.bytes_.subspan(*begin, *bytes);
  return OkStatus();
}

Status GgufParser::CheckOverlaps() const {
  std::vector<const GgufTensor*> by_offset;
  by_offset.reserve(file_.tensors_.size());
  for (const GgufTensor& tensor : file_.tensors_) by_offset.push_back(&tensor);
  std::sort(by_offset.begin(), by_offset.end(), [](const GgufTensor* a, const GgufTensor* b) {
    return a->file_offset < b->file_offset;
  });
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const GgufTensor& before = *by_offset[i - 1];
    const GgufTensor& after = *by_offset[i];
    if (after.file_offset < before.file_offset + before.data.size()) {
      return Bad("tensors " + Printable(before.name) + " and " + Printable(after.name) +
                 " overlap: the first ends at byte " +
                 std::to_string(before.file_offset + before.data.size()) +
                 ", the second begins at byte " + std::to_string(after.file_offset));
    }
  }
  return OkStatus();
}

}  // namespace mcv
