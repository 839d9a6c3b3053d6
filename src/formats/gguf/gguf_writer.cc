// Layout of the file, all little endian:
//   "GGUF", version, tensor count, key count
//   key:    name, value type, value                      for every key
//   tensor: name, dimensions, element type, offset       for every tensor
//   zeros up to the alignment, then the tensors' bytes, each padded to the alignment
// Keys are serialised as they are added. Mistakes of a caller are kept and returned by Write, so
// that adding needs no error handling line by line.
#include "formats/gguf/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "base/checked.h"
#include "base/file_writer.h"
#include "formats/printable.h"

namespace mcv {
namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kMaxTensorName = 63;  // what every reader accepts
constexpr size_t kMaxDims = 4;

// Appends fixed-size little-endian numbers and length-prefixed strings.
template <typename T>
void Append(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendString(std::string* out, std::string_view text) {
  Append<uint64_t>(out, text.size());
  out->append(text);
}

// One number in the width of its file type; `value` is a widened number of that type's kind.
template <typename Wide>
void AppendNumber(std::string* out, GgufType type, Wide value) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kBool:
      return Append(out, static_cast<uint8_t>(value));
    case GgufType::kI8:
      return Append(out, static_cast<int8_t>(value));
    case GgufType::kU16:
      return Append(out, static_cast<uint16_t>(value));
    case GgufType::kI16:
      return Append(out, static_cast<int16_t>(value));
    case GgufType::kU32:
      return Append(out, static_cast<uint32_t>(value));
    case GgufType::kI32:
      return Append(out, static_cast<int32_t>(value));
    case GgufType::kU64:
      return Append(out, static_cast<uint64_t>(value));
    case GgufType::kI64:
      return Append(out, static_cast<int64_t>(value));
    case GgufType::kF32:
      return Append(out, static_cast<float>(value));
    case GgufType::kF64:
      return Append(out, static_cast<double>(value));
    case GgufType::kString:
    case GgufType::kArray:
      break;
  }
  MCV_CHECK(!"AppendNumber: not a number type");
}

// Appends whatever the variant holds as `type`, an array with its element type and count.
struct ValueAppender {
  std::string* out;
  const GgufValue& value;

  template <typename Number>
  void operator()(Number number) const {
    AppendNumber(out, value.type, number);
  }
  void operator()(std::string_view text) const { AppendString(out, text); }
  template <typename Element>
  void operator()(const std::vector<Element>& elements) const {
    Append(out, static_cast<uint32_t>(value.element_type));
    Append<uint64_t>(out, elements.size());
    for (const Element& element : elements) {
      if constexpr (std::is_same_v<Element, std::string_view>) {
        AppendString(out, element);
      } else {
        AppendNumber(out, value.element_type, element);
      }
    }
  }
};

struct PendingTensor {
  std::string name;
  DType type;
  std::vector<uint64_t> dims;
  uint64_t bytes = 0;
  GgufWriter::Producer producer;
};

// The size of the tensor's data, or what is wrong with its description.
Result<uint64_t> TensorBytes(const PendingTensor& tensor) {
  const std::string where = "tensor " + Printable(tensor.name) + ": ";
  if (tensor.name.empty() || tensor.name.size() > kMaxTensorName) {
    return InvalidArgument(where + "its name has " + std::to_string(tensor.name.size()) +
                           " bytes, expected 1 to " + std::to_string(kMaxTensorName));
  }
  if (tensor.dims.empty() || tensor.dims.size() > kMaxDims) {
    return InvalidArgument(where + "has " + std::to_string(tensor.dims.size()) +
                           " dimensions, expected 1 to " + std::to_string(kMaxDims));
  }
  auto bytes = RowBytes(tensor.type, tensor.dims[0]);
  for (size_t i = 1; bytes && i < tensor.dims.size(); ++i) {
    bytes = CheckedMul<uint64_t>(*bytes, tensor.dims[i]);
  }
  if (!bytes || *bytes == 0) {
    return InvalidArgument(where + "has an empty or too large shape, or rows of " +
                           std::to_string(tensor.dims[0]) + " elements that are not whole " +
                           std::string(Traits(tensor.type).name) + " blocks");
  }
  return *bytes;
}

}  // namespace

struct GgufWriter::Impl {
  std::string keys;  // serialised as they are added
  uint64_t key_count = 0;
  uint64_t alignment = 32;
  std::set<std::string> key_names;
  std::set<std::string> tensor_names;
  std::vector<PendingTensor> tensors;
  Status status;  // the first mistake of a caller; Write returns it

  void Fail(Status mistake) {
    if (status.ok()) status = std::move(mistake);
  }

  void AddKey(std::string_view key, const GgufValue& value);
  void AddTensor(PendingTensor tensor);
  std::string TensorTable() const;
  Status WriteTo(FileWriter* writer) const;
  Status WriteTensor(const PendingTensor& tensor, FileWriter* writer) const;
};

void GgufWriter::Impl::AddKey(std::string_view key, const GgufValue& value) {
  if (key.empty()) return Fail(InvalidArgument("a key has no name"));
  if (!key_names.emplace(key).second) {
    return Fail(InvalidArgument("key " + Printable(key) + " was added twice"));
  }
  // The one key that changes the file itself: readers place the tensors by it.
  if (key == "general.alignment") {
    const uint64_t* number = std::get_if<uint64_t>(&value.value);
    if (value.type != GgufType::kU32 || number == nullptr || !std::has_single_bit(*number) ||
        *number < 8) {
      return Fail(InvalidArgument("general.alignment must be a u32 power of two, 8 or more"));
    }
    alignment = *number;
  }
  AppendString(&keys, key);
  Append(&keys, static_cast<uint32_t>(value.type));
  std::visit(ValueAppender{&keys, value}, value.value);
  ++key_count;
}

void GgufWriter::Impl::AddTensor(PendingTensor tensor) {
  const auto bytes = TensorBytes(tensor);
  if (!bytes.ok()) return Fail(bytes.status());
  if (!tensor_names.insert(tensor.name).second) {
    return Fail(InvalidArgument("tensor " + Printable(tensor.name) + " was added twice"));
  }
  tensor.bytes = *bytes;
  tensors.push_back(std::move(tensor));
}

// Names, shapes, types and offsets; every tensor begins on a multiple of the alignment.
std::string GgufWriter::Impl::TensorTable() const {
  std::string table;
  uint64_t offset = 0;
  for (const PendingTensor& tensor : tensors) {
    AppendString(&table, tensor.name);
    Append(&table, static_cast<uint32_t>(tensor.dims.size()));
    for (const uint64_t dim : tensor.dims) Append(&table, dim);
    Append(&table, static_cast<uint32_t>(tensor.type));
    Append(&table, offset);
    offset = (offset + tensor.bytes + alignment - 1) & ~(alignment - 1);
  }
  return table;
}

Status GgufWriter::Impl::WriteTensor(const PendingTensor& tensor, FileWriter* writer) const {
  const auto produced = tensor.producer();
  if (!produced.ok()) {
    return produced.status().Annotate("tensor " + Printable(tensor.name));
  }
  if (produced->size() != tensor.bytes) {
    // Writing it anyway would shift every tensor behind it.
    return Internal("tensor " + Printable(tensor.name) + ": expected " +
                    std::to_string(tensor.bytes) + " bytes, its producer gave " +
                    std::to_string(produced->size()));
  }
  MCV_RETURN_IF_ERROR(writer->Write(*produced));
  return writer->PadTo(alignment);
}

Status GgufWriter::Impl::WriteTo(FileWriter* writer) const {
  std::string header = "GGUF";
  Append(&header, kVersion);
  Append<uint64_t>(&header, tensors.size());
  Append(&header, key_count);
  MCV_RETURN_IF_ERROR(writer->Write(header));
  MCV_RETURN_IF_ERROR(writer->Write(keys));
  MCV_RETURN_IF_ERROR(writer->Write(TensorTable()));
  MCV_RETURN_IF_ERROR(writer->PadTo(alignment));
  for (const PendingTensor& tensor : tensors) {
    MCV_RETURN_IF_ERROR(WriteTensor(tensor, writer));
  }
  return OkStatus();
}

GgufWriter::GgufWriter() : impl_(std::make_unique<Impl>()) {}
GgufWriter::~GgufWriter() = default;
GgufWriter::GgufWriter(GgufWriter&&) noexcept = default;
GgufWriter& GgufWriter::operator=(GgufWriter&&) noexcept = default;

void GgufWriter::AddValue(std::string_view key, const GgufValue& value) {
  impl_->AddKey(key, value);
}
void GgufWriter::AddU32(std::string_view key, uint32_t value) {
  AddValue(key, {GgufType::kU32, {}, uint64_t{value}});
}
void GgufWriter::AddI32(std::string_view key, int32_t value) {
  AddValue(key, {GgufType::kI32, {}, int64_t{value}});
}
void GgufWriter::AddU64(std::string_view key, uint64_t value) {
  AddValue(key, {GgufType::kU64, {}, value});
}
void GgufWriter::AddF32(std::string_view key, float value) {
  AddValue(key, {GgufType::kF32, {}, double{value}});
}
void GgufWriter::AddBool(std::string_view key, bool value) {
  AddValue(key, {GgufType::kBool, {}, value});
}
void GgufWriter::AddString(std::string_view key, std::string_view value) {
  AddValue(key, {GgufType::kString, {}, value});
}
void GgufWriter::AddStrings(std::string_view key, const std::vector<std::string>& values) {
  AddValue(key, {GgufType::kArray, GgufType::kString,
                 std::vector<std::string_view>(values.begin(), values.end())});
}
void GgufWriter::AddI32s(std::string_view key, const std::vector<int32_t>& values) {
  AddValue(key,
           {GgufType::kArray, GgufType::kI32, std::vector<int64_t>(values.begin(), values.end())});
}
void GgufWriter::AddF32s(std::string_view key, const std::vector<float>& values) {
  AddValue(key,
           {GgufType::kArray, GgufType::kF32, std::vector<double>(values.begin(), values.end())});
}

void GgufWriter::AddTensor(std::string_view name, DType type, std::vector<uint64_t> dims,
                           Producer producer) {
  impl_->AddTensor({std::string(name), type, std::move(dims), 0, std::move(producer)});
}

void GgufWriter::AddTensor(std::string_view name, DType type, std::vector<uint64_t> dims,
                           std::span<const std::byte> bytes) {
  AddTensor(name, type, std::move(dims),
            [copy = std::vector<std::byte>(
                 bytes.begin(), bytes.end())]() -> Result<std::vector<std::byte>> { return copy; });
}

Status GgufWriter::Write(const std::string& path) const {
  if (!impl_->status.ok()) return impl_->status.Annotate(path);
  MCV_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path));
  const Status status = impl_->WriteTo(&writer);
  if (!status.ok()) return status.Annotate(path);
  return writer.Commit();
}

}  // namespace mcv
