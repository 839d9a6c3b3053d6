// What the other file of this leaf offers its table.
#pragma once

#include "kernels/table.h"

namespace mcv::portable {

// Few tokens times quantised rows with int8 tokens; null for types that are dequantised instead.
const DotKernel* QuantDot(DType type);

}  // namespace mcv::portable
