// The second half of the parser: tensor descriptions, and where each tensor's bytes lie.
#include <algorithm>
#include <limits>
#include <numeric>

#include "base/checked.h"
#include "formats/gguf/gguf_parser.h"
#include "formats/printable.h"

namespace mcv {
namespace {

constexpr uint64_t kMaxDims = 4;
constexpr size_t kMaxTensorName = 63;  // llama.cpp keeps names in 64 bytes with a terminator

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

}  // namespace

// The header's claim again, now that the keys are read and less of the file is left.
Status GgufParser::ReadTensors() {
  if (tensor_count_ > cursor_.left() / kMinGgufTensorBytes) {
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

// Readers that keep the first of two equal names and readers that keep the last would run different
// models from one file; the sorted orders also serve the lookups.
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

// The data area begins at the first multiple of the alignment behind the descriptions. A file may
// end without padding behind its last tensor.
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

// No two tensors share a byte. Gaps are harmless and stay allowed: some writers leave them.
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
