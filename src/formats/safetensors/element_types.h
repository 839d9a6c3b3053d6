// The element types of safetensors files: private to formats/safetensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "formats/dtype.h"

namespace mcv {

struct SafetensorsElement {
  std::string_view name;
  uint32_t bytes;
  std::optional<DType> type;  // nothing where GGUF has no such type
};

inline constexpr SafetensorsElement kSafetensorsElements[] = {
    {"F64", 8, DType::kF64},   {"F32", 4, DType::kF32},      {"F16", 2, DType::kF16},
    {"BF16", 2, DType::kBF16}, {"I64", 8, DType::kI64},      {"I32", 4, DType::kI32},
    {"I16", 2, DType::kI16},   {"I8", 1, DType::kI8},        {"U64", 8, std::nullopt},
    {"U32", 4, std::nullopt},  {"U16", 2, std::nullopt},     {"U8", 1, std::nullopt},
    {"BOOL", 1, std::nullopt}, {"F8_E4M3", 1, std::nullopt}, {"F8_E5M2", 1, std::nullopt},
};

inline const SafetensorsElement* FindSafetensorsElement(std::string_view name) {
  for (const SafetensorsElement& element : kSafetensorsElements) {
    if (element.name == name) return &element;
  }
  return nullptr;
}

inline const SafetensorsElement* FindSafetensorsElement(DType type) {
  for (const SafetensorsElement& element : kSafetensorsElements) {
    if (element.type == type) return &element;
  }
  return nullptr;
}

}  // namespace mcv
