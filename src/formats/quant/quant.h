// The scalar meaning of every block type: what a stored block stands for, and how to make one.
//
// Evaluation order follows the reference so that fp32 results are equal to the last bit. Fast
// kernels are only ever "the same, faster" and are tested against these functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "formats/dtype.h"

namespace mcv {

// One row: `row` has RowBytes(type, out.size()) bytes. The type must be a float or quantised type.
void DequantizeRow(DType type, const std::byte* row, std::span<float> out);

// One row: `out` has RowBytes(type, values.size()) bytes. Q4_0..Q8_0 are the deterministic
// reference quantisers; K types search scale and minimum per block for the least squared error.
void QuantizeRow(DType type, std::span<const float> values, std::byte* out);

// Whole matrices, row by row; the checks on sizes are the caller's Result.
Result<std::vector<float>> Dequantize(DType type, std::span<const std::byte> bytes, uint64_t rows,
                                      uint64_t columns);
Result<std::vector<std::byte>> Quantize(DType type, std::span<const float> values, uint64_t rows,
                                        uint64_t columns);

}  // namespace mcv
