// What the rows of an encoded picture are looked up by.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mcv {

// SHA-256 over everything that the rows depend on: pixels, views, encoder.
using PictureKey = std::array<uint8_t, 32>;

// Also checked, so that a key that was damaged cannot give rows of another length.
struct RowsShape {
  int64_t num_rows = 0;
  int64_t width = 0;
  size_t floats() const { return static_cast<size_t>(num_rows * width); }
  friend bool operator==(const RowsShape&, const RowsShape&) = default;
};

}  // namespace mcv
