// The one fact of EXIF metadata that changes what a person sees: which way is up.
#pragma once

#include <cstddef>
#include <span>

namespace mcv {

// exif: a TIFF structure, with or without the "Exif\0\0" before it. Returns the orientation of its
// first directory, 1..8; 1 (upright) if there is none or the structure is damaged.
int ExifOrientation(std::span<const std::byte> exif);

}  // namespace mcv
