// One pair of functions per block type, private to formats/quant: bytes to numbers and back.
// `in` and `out` hold count * Block::kElements values; quantisers take finite values only.
#pragma once

#include <cstddef>

#include "formats/quant/blocks.h"

namespace mcv {

void DequantizeBlocks(const BlockQ4_0* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockQ4_1* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockQ5_0* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockQ5_1* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockQ8_0* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockIQ4_NL* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockQ2_K* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockQ3_K* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockQ4_K* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockQ5_K* blocks, size_t count, float* out);
void DequantizeBlocks(const BlockQ6_K* blocks, size_t count, float* out);

void QuantizeBlocks(const float* in, size_t count, BlockQ4_0* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockQ4_1* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockQ5_0* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockQ5_1* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockQ8_0* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockIQ4_NL* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockQ2_K* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockQ3_K* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockQ4_K* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockQ5_K* blocks);
void QuantizeBlocks(const float* in, size_t count, BlockQ6_K* blocks);

}  // namespace mcv
