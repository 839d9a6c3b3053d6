#include "formats/quant/quant.h"

#include <cmath>
#include <cstring>
#include <string>

#include "base/checked.h"
#include "base/half.h"
#include "formats/quant/block_codecs.h"

namespace mcv {
namespace {

// Largest finite half: scales, minima and F16 elements must stay below it.
constexpr float kMaxHalf = 65504.0f;

template <typename Block>
void DequantizeAs(const std::byte* row, std::span<float> out) {
  DequantizeBlocks(reinterpret_cast<const Block*>(row), out.size() / Block::kElements, out.data());
}

template <typename Block>
void QuantizeAs(std::span<const float> values, std::byte* out) {
  QuantizeBlocks(values.data(), values.size() / Block::kElements, reinterpret_cast<Block*>(out));
}

// Applies convert(uint16_t) to each 16-bit element.
template <float (*Convert)(uint16_t)>
void Widen(const std::byte* row, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, row + 2 * i, sizeof(bits));
    out[i] = Convert(bits);
  }
}

template <uint16_t (*Convert)(float)>
void Narrow(std::span<const float> values, std::byte* out) {
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = Convert(values[i]);
    std::memcpy(out + 2 * i, &bits, sizeof(bits));
  }
}

bool IsFloatOrQuantised(DType type) {
  return Traits(type).quantised || type == DType::kF32 || type == DType::kF16 ||
         type == DType::kBF16;
}

// The bytes of a whole matrix, or why there is no such matrix.
Result<uint64_t> MatrixBytes(DType type, uint64_t rows, uint64_t columns) {
  const std::string name(Traits(type).name);
  if (!IsFloatOrQuantised(type)) {
    return InvalidArgument("type " + name + " does not hold real numbers");
  }
  const auto row_bytes = RowBytes(type, columns);
  if (!row_bytes) {
    return InvalidArgument("type " + name + " needs rows of whole blocks of " +
                           std::to_string(Traits(type).block_elements) + " elements, got " +
                           std::to_string(columns) + " columns");
  }
  const auto bytes = CheckedMul<uint64_t>(*row_bytes, rows);
  const auto floats = CheckedProduct<uint64_t>({rows, columns, sizeof(float)});
  if (!bytes || !floats) {
    return ResourceExhausted("a matrix of " + std::to_string(rows) + " x " +
                             std::to_string(columns) + " elements is too large to address");
  }
  return *bytes;
}

Status CheckRange(DType type, std::span<const float> values, uint64_t columns) {
  const bool halves = type != DType::kF32 && type != DType::kBF16;
  for (size_t i = 0; i < values.size(); ++i) {
    const float magnitude = std::fabs(values[i]);
    if (!halves && type != DType::kBF16) return OkStatus();  // F32 stores anything
    if (std::isfinite(values[i]) && (!halves || magnitude <= kMaxHalf)) continue;
    return InvalidArgument("row " + std::to_string(i / columns) + ", column " +
                           std::to_string(i % columns) + " is " + std::to_string(values[i]) +
                           ", which type " + std::string(Traits(type).name) + " cannot hold");
  }
  return OkStatus();
}

}  // namespace

void DequantizeRow(DType type, const std::byte* row, std::span<float> out) {
  MCV_DCHECK(out.size() % Traits(type).block_elements == 0);
  switch (type) {
    case DType::kF32:
      if (!out.empty()) std::memcpy(out.data(), row, out.size_bytes());
      return;
    case DType::kF16:
      return Widen<HalfToFloat>(row, out);
    case DType::kBF16:
      return Widen<Bf16ToFloat>(row, out);
    case DType::kQ4_0:
      return DequantizeAs<BlockQ4_0>(row, out);
    case DType::kQ4_1:
      return DequantizeAs<BlockQ4_1>(row, out);
    case DType::kQ5_0:
      return DequantizeAs<BlockQ5_0>(row, out);
    case DType::kQ5_1:
      return DequantizeAs<BlockQ5_1>(row, out);
    case DType::kQ8_0:
      return DequantizeAs<BlockQ8_0>(row, out);
    case DType::kIQ4_NL:
      return DequantizeAs<BlockIQ4_NL>(row, out);
    case DType::kQ2_K:
      return DequantizeAs<BlockQ2_K>(row, out);
    case DType::kQ3_K:
      return DequantizeAs<BlockQ3_K>(row, out);
    case DType::kQ4_K:
      return DequantizeAs<BlockQ4_K>(row, out);
    case DType::kQ5_K:
      return DequantizeAs<BlockQ5_K>(row, out);
    case DType::kQ6_K:
      return DequantizeAs<BlockQ6_K>(row, out);
    case DType::kI8:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64:
    case DType::kF64:
      break;
  }
  MCV_CHECK(!"DequantizeRow: not a float or quantised type");
}

void QuantizeRow(DType type, std::span<const float> values, std::byte* out) {
  MCV_DCHECK(values.size() % Traits(type).block_elements == 0);
  switch (type) {
    case DType::kF32:
      if (!values.empty()) std::memcpy(out, values.data(), values.size_bytes());
      return;
    case DType::kF16:
      return Narrow<FloatToHalf>(values, out);
    case DType::kBF16:
      return Narrow<FloatToBf16>(values, out);
    case DType::kQ4_0:
      return QuantizeAs<BlockQ4_0>(values, out);
    case DType::kQ4_1:
      return QuantizeAs<BlockQ4_1>(values, out);
    case DType::kQ5_0:
      return QuantizeAs<BlockQ5_0>(values, out);
    case DType::kQ5_1:
      return QuantizeAs<BlockQ5_1>(values, out);
    case DType::kQ8_0:
      return QuantizeAs<BlockQ8_0>(values, out);
    case DType::kIQ4_NL:
      return QuantizeAs<BlockIQ4_NL>(values, out);
    case DType::kQ2_K:
      return QuantizeAs<BlockQ2_K>(values, out);
    case DType::kQ3_K:
      return QuantizeAs<BlockQ3_K>(values, out);
    case DType::kQ4_K:
      return QuantizeAs<BlockQ4_K>(values, out);
    case DType::kQ5_K:
      return QuantizeAs<BlockQ5_K>(values, out);
    case DType::kQ6_K:
      return QuantizeAs<BlockQ6_K>(values, out);
    case DType::kI8:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64:
    case DType::kF64:
      break;
  }
  MCV_CHECK(!"QuantizeRow: not a float or quantised type");
}

Result<std::vector<float>> Dequantize(DType type, std::span<const std::byte> bytes, uint64_t rows,
                                      uint64_t columns) {
  MCV_ASSIGN_OR_RETURN(const uint64_t expected, MatrixBytes(type, rows, columns));
  if (bytes.size() != expected) {
    return InvalidArgument("a " + std::string(Traits(type).name) + " matrix of " +
                           std::to_string(rows) + " x " + std::to_string(columns) + " has " +
                           std::to_string(expected) + " bytes, got " +
                           std::to_string(bytes.size()));
  }
  std::vector<float> values(rows * columns);
  // Blocks do not cross rows and rows have no padding, so the matrix is one long row.
  DequantizeRow(type, bytes.data(), values);
  return values;
}

Result<std::vector<std::byte>> Quantize(DType type, std::span<const float> values, uint64_t rows,
                                        uint64_t columns) {
  MCV_ASSIGN_OR_RETURN(const uint64_t bytes, MatrixBytes(type, rows, columns));
  if (values.size() != rows * columns) {
    return InvalidArgument("a matrix of " + std::to_string(rows) + " x " + std::to_string(columns) +
                           " has " + std::to_string(rows * columns) + " values, got " +
                           std::to_string(values.size()));
  }
  MCV_RETURN_IF_ERROR(CheckRange(type, values, columns));
  std::vector<std::byte> out(bytes);
  QuantizeRow(type, values, out.data());
  return out;
}

}  // namespace mcv
