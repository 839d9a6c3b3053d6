// What the files of this leaf offer its table.
#pragma once

#include "kernels/table.h"

namespace mcv::x86_avx2 {

// Everything that is fp32: rows, attention for one token, the exact kernels.
void FillFloat(KernelTable* table);
const DotKernel& FloatDot();
const PanelKernel& F32Panel();
// Many tokens, both sides as whole numbers of 12 bits; any type.
const PanelKernel& Int16Panel();
// The same tiles with whole numbers of 8 bits: what an int8 dot product would give, at the rate of
// 16 bits. (AVX2 multiplies unsigned by signed bytes into 16 bits that saturate: undoing the signs
// and widening costs what the narrower numbers save.)
const PanelKernel& Int8AsInt16Panel();
// Many tokens times quantised rows with int8 tokens: the K types; Q4_0, Q4_1, Q5_0 and Q5_1. Null
// for other types.
const PanelKernel* KPanel(DType type);
const PanelKernel* NibblePanel(DType type);
// Few tokens times the same, and Q8_0 and IQ4_NL. Null for other types.
const DotKernel* KDot(DType type);
const DotKernel* NibbleDot(DType type);
const DotKernel* Block32Dot(DType type);
// The table's load_row: any type, to the last bit what formats/quant says.
void LoadRowAsFloats(DType type, const std::byte* row, int64_t n, float* out);
// Its part for quantised types; all but Q2_K and Q3_K by vectors.
void LoadQuantisedRow(DType type, const std::byte* row, int64_t n, float* out);

}  // namespace mcv::x86_avx2
