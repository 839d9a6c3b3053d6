#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/file_writer.h"
#include "formats/printable.h"
#include "formats/safetensors/element_types.h"
#include "formats/safetensors/safetensors_file.h"

namespace mcv {
namespace {

constexpr size_t kHeaderAlignment = 8;

Status CheckTensor(const SafeTensorToWrite& tensor) {
  const std::string where = "tensor " + Printable(tensor.name) + ": ";
  const SafetensorsElement* element = FindSafetensorsElement(tensor.type);
  if (element == nullptr) {
    return InvalidArgument(where + "safetensors has no type " +
                           std::string(Traits(tensor.type).name));
  }
  if (tensor.name.empty() || tensor.name == "__metadata__") {
    return InvalidArgument(where + "is not a name that a tensor may have");
  }
  uint64_t expected = element->bytes;
  for (const uint64_t dim : tensor.shape) {
    if (__builtin_mul_overflow(expected, dim, &expected)) {
      return InvalidArgument(where + "its shape multiplies to 2^64 bytes or more");
    }
  }
  if (expected != tensor.bytes.size()) {
    return InvalidArgument(where + "its shape needs " + std::to_string(expected) + " bytes, got " +
                           std::to_string(tensor.bytes.size()));
  }
  return OkStatus();
}

// Largest elements first keeps every tensor aligned to its element size without padding.
bool ComesBefore(const SafeTensorToWrite& a, const SafeTensorToWrite& b) {
  const uint32_t a_bytes = Traits(a.type).block_bytes, b_bytes = Traits(b.type).block_bytes;
  return a_bytes != b_bytes ? a_bytes > b_bytes : a.name < b.name;
}

// The header's text, padded; the tensors are already in order.
Result<std::string> MakeHeader(const std::vector<SafeTensorToWrite>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const SafeTensorToWrite& tensor : tensors) {
    // ordered_json looks for the key in every earlier one; push_back knows that it is new.
    header.get_ref<nlohmann::ordered_json::object_t&>().push_back(
        {tensor.name,
         {{"dtype", FindSafetensorsElement(tensor.type)->name},
          {"shape", tensor.shape},
          {"data_offsets", {offset, offset + tensor.bytes.size()}}}});
    offset += tensor.bytes.size();
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {  // the only way it tells of invalid UTF-8
    return InvalidArgument("a tensor name or a metadata text is not valid UTF-8");
  }
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  return text;
}

}  // namespace

Status WriteSafetensors(const std::string& path, std::vector<SafeTensorToWrite> tensors,
                        const std::map<std::string, std::string>& metadata) {
  for (const SafeTensorToWrite& tensor : tensors) {
    const Status status = CheckTensor(tensor);
    if (!status.ok()) return status.Annotate(path);
  }
  std::map<std::string_view, int> names;
  for (const SafeTensorToWrite& tensor : tensors) {
    if (++names[tensor.name] > 1) {
      return InvalidArgument(path + ": tensor " + Printable(tensor.name) +
                             ": was given more than once");
    }
  }
  std::sort(tensors.begin(), tensors.end(), ComesBefore);
  const auto header = MakeHeader(tensors, metadata);
  if (!header.ok()) return header.status().Annotate(path);
  MCV_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path));
  const uint64_t length = header->size();
  MCV_RETURN_IF_ERROR(writer.Write(std::as_bytes(std::span(&length, 1))));
  MCV_RETURN_IF_ERROR(writer.Write(*header));
  for (const SafeTensorToWrite& tensor : tensors) MCV_RETURN_IF_ERROR(writer.Write(tensor.bytes));
  return writer.Commit();
}

}  // namespace mcv
