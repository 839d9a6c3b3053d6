// The row kernels compiled for AVX2; see row_kernels_body.inc.
#define MCV_ROW_KERNELS_NAME Avx2RowKernels
#define MCV_ROW_KERNELS_LABEL "avx2"
#include "trainer/modules/cpu/row_kernels_body.inc"
