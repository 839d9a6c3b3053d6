// GGUF: whatever parses is walked through completely, as a loader would.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/gguf/gguf_file.h"
#include "formats/quant/quant.h"

namespace mcv {
namespace {

// Every way to ask for a key; the answers are Status or value.
void AskForKey(const GgufFile& file, std::string_view name) {
  MCV_CHECK(file.FindKey(name) != nullptr);
  const int answers = int{file.GetUint(name).ok()} + int{file.GetInt(name).ok()} +
                      int{file.GetFloat(name).ok()} + int{file.GetBool(name).ok()} +
                      int{file.GetString(name).ok()} + int{file.GetStrings(name).ok()} +
                      int{file.GetInts(name).ok()} + int{file.GetFloats(name).ok()};
  MCV_CHECK(answers <= 2);  // a small integer is both signed and unsigned
}

// Reads the first and the last row.
void ReadTensor(const GgufFile& file, const GgufTensor& tensor) {
  MCV_CHECK(file.FindTensor(tensor.name) == &tensor);
  const uint64_t row_bytes = *RowBytes(tensor.type, tensor.columns());
  MCV_CHECK(row_bytes * tensor.rows() == tensor.data.size());
  const DTypeTraits& traits = Traits(tensor.type);
  const bool reals = traits.quantised || tensor.type == DType::kF32 || tensor.type == DType::kF16 ||
                     tensor.type == DType::kBF16;
  if (!reals) return;
  std::vector<float> row(tensor.columns());
  DequantizeRow(tensor.type, tensor.data.data(), row);
  DequantizeRow(tensor.type, tensor.data.data() + (tensor.rows() - 1) * row_bytes, row);
}

}  // namespace
}  // namespace mcv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = mcv::GgufFile::Parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file.ok()) return 0;
  for (const mcv::GgufKey& key : file->keys()) mcv::AskForKey(*file, key.name);
  for (const mcv::GgufTensor& tensor : file->tensors()) mcv::ReadTensor(*file, tensor);
  return 0;
}
