// The two-dimensional sine-cosine table that tells the resampler's keys where a patch lies.
//
// For row y, column x and width E, with D = E / 4 and w_i = 10000^(-i / D):
//   [ sin(x w_0) .. sin(x w_D-1) | cos(x w) .. | sin(y w) .. | cos(y w) .. ]
// The column comes first. Frequencies and angles are fp32, as in the reference.
#pragma once

#include <span>
#include <vector>

namespace mcv {

// One axis: [n, width / 2], row p is [sin(p w) | cos(p w)]. width is a multiple of 4. The table of
// a grid is this for its columns, followed by this for its rows.
std::vector<float> SinCosAxis(int n, int width);

// The table itself: out is [rows * cols, width], row-major over the grid.
void FillSinCosTable(int rows, int cols, int width, std::span<float> out);

}  // namespace mcv
