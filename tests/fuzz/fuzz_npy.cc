// .npy: what parses has as many values as its shape says.
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/npy/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto array = mcv::ParseNpy(std::as_bytes(std::span(data, size)), "fuzz");
  if (!array.ok()) return 0;
  uint64_t elements = 1;
  for (const uint64_t dim : array->shape) elements *= dim;
  MCV_CHECK(elements == array->values.size());
  return 0;
}
