// The element types that weights are stored in, with the numbers GGUF gives them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace mcv {

enum class DType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kBF16 = 30,
};

// A row is a sequence of whole blocks; a plain type is a block of one element.
struct DTypeTraits {
  DType type;
  std::string_view name;    // "Q4_K"
  uint32_t block_elements;  // 256
  uint32_t block_bytes;     // 144
  bool quantised;
};

// Null for a number that this program does not know.
const DTypeTraits* FindDType(uint32_t ggml_number);
const DTypeTraits* FindDTypeByName(std::string_view name);
// The traits of a known type.
const DTypeTraits& Traits(DType type);

// Bytes of one row of `columns` elements; nothing if columns is not a whole number of blocks or the
// product overflows.
std::optional<uint64_t> RowBytes(DType type, uint64_t columns);

}  // namespace mcv
