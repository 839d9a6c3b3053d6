// safetensors: every byte of every tensor of whatever parses is read.
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/safetensors/safetensors_file.h"

namespace mcv {
namespace {

// Keeps the reads from being optimised away.
volatile uint8_t sink;

void ReadTensor(const SafetensorsFile& file, const SafeTensor& tensor) {
  MCV_CHECK(file.Find(tensor.name) == &tensor);
  uint8_t sum = 0;
  for (const std::byte byte : tensor.data) sum ^= static_cast<uint8_t>(byte);
  sink = sum;
  if (!tensor.known) return;
  uint64_t elements = 1;
  for (const uint64_t dim : tensor.shape) elements *= dim;
  MCV_CHECK(elements * Traits(tensor.type).block_bytes == tensor.data.size());
}

}  // namespace
}  // namespace mcv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = mcv::SafetensorsFile::Parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file.ok()) return 0;
  for (const mcv::SafeTensor& tensor : file->tensors()) mcv::ReadTensor(*file, tensor);
  return 0;
}
