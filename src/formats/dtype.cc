#include "formats/dtype.h"

#include <array>

#include "base/checked.h"
#include "base/status.h"

namespace mcv {
namespace {

constexpr std::array kTraits = {
    DTypeTraits{DType::kF32, "F32", 1, 4, false},
    DTypeTraits{DType::kF16, "F16", 1, 2, false},
    DTypeTraits{DType::kQ4_0, "Q4_0", 32, 18, true},
    DTypeTraits{DType::kQ4_1, "Q4_1", 32, 20, true},
    DTypeTraits{DType::kQ5_0, "Q5_0", 32, 22, true},
    DTypeTraits{DType::kQ5_1, "Q5_1", 32, 24, true},
    DTypeTraits{DType::kQ8_0, "Q8_0", 32, 34, true},
    DTypeTraits{DType::kQ2_K, "Q2_K", 256, 84, true},
    DTypeTraits{DType::kQ3_K, "Q3_K", 256, 110, true},
    DTypeTraits{DType::kQ4_K, "Q4_K", 256, 144, true},
    DTypeTraits{DType::kQ5_K, "Q5_K", 256, 176, true},
    DTypeTraits{DType::kQ6_K, "Q6_K", 256, 210, true},
    DTypeTraits{DType::kIQ4_NL, "IQ4_NL", 32, 18, true},
    DTypeTraits{DType::kI8, "I8", 1, 1, false},
    DTypeTraits{DType::kI16, "I16", 1, 2, false},
    DTypeTraits{DType::kI32, "I32", 1, 4, false},
    DTypeTraits{DType::kI64, "I64", 1, 8, false},
    DTypeTraits{DType::kF64, "F64", 1, 8, false},
    DTypeTraits{DType::kBF16, "BF16", 1, 2, false},
};

}  // namespace

const DTypeTraits* FindDType(uint32_t ggml_number) {
  for (const DTypeTraits& traits : kTraits) {
    if (static_cast<uint32_t>(traits.type) == ggml_number) return &traits;
  }
  return nullptr;
}

const DTypeTraits* FindDTypeByName(std::string_view name) {
  for (const DTypeTraits& traits : kTraits) {
    if (traits.name == name) return &traits;
  }
  return nullptr;
}

const DTypeTraits& Traits(DType type) {
  const DTypeTraits* traits = FindDType(static_cast<uint32_t>(type));
  MCV_CHECK(traits != nullptr);
  return *traits;
}

std::optional<uint64_t> RowBytes(DType type, uint64_t columns) {
  const DTypeTraits& traits = Traits(type);
  if (columns % traits.block_elements != 0) return std::nullopt;
  return CheckedMul<uint64_t>(columns / traits.block_elements, traits.block_bytes);
}

}  // namespace mcv
