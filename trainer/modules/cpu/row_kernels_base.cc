// The row kernels compiled for baseline; see row_kernels_body.inc.
#define MCV_ROW_KERNELS_NAME BaseRowKernels
#define MCV_ROW_KERNELS_LABEL "base"
#include "trainer/modules/cpu/row_kernels_body.inc"
