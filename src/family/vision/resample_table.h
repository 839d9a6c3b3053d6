// Position tables stretched to another grid, in floating point: how 1.0 and 2.0 adapt their learned
// 27x27 map to a view, and 1.0 its resampler's 8x8 map.
#pragma once

#include <span>
#include <vector>

namespace mcv {

enum class TableFilter {
  kAntialiased,  // the encoder's table (model-spec 1.3.3)
  kPlain,        // the 1.0 resampler's key table (model-spec 1.4)
};

// table: [side_in * side_in, width], row-major over the square. Returns [rows * cols, width]. A
// grid equal to the table's gives its copy. The caller rounds to a narrower type if the reference
// would.
std::vector<float> ResampleTable(std::span<const float> table, int side_in, int width, int rows,
                                 int cols, TableFilter filter);

}  // namespace mcv
