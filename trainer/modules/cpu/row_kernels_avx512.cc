// The row kernels compiled for AVX-512; see row_kernels_body.inc.
#define MCV_ROW_KERNELS_NAME Avx512RowKernels
#define MCV_ROW_KERNELS_LABEL "avx512"
#include "trainer/modules/cpu/row_kernels_body.inc"
