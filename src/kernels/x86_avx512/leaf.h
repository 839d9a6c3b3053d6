// What the files of this leaf offer its tables.
#pragma once

#include "kernels/table.h"

namespace mcv::x86_avx512 {

// Everything that is fp32: rows, attention for one token, the exact kernels.
void FillFloat(KernelTable* table);
const DotKernel& FloatDot();
const PanelKernel& F32Panel();
// Few tokens times Q4_K, Q5_K or Q6_K with int8 tokens; null for other types.
const DotKernel* KDot(DType type);
// The same for Q4_0, Q4_1, Q5_0, Q5_1 and IQ4_NL.
const DotKernel* NibbleDot(DType type);
// Many tokens times quantised weights, both rounded to int8.
const PanelKernel& Int8Panel();
// Needs AVX512_BF16.
const PanelKernel& Bf16Panel();

}  // namespace mcv::x86_avx512
