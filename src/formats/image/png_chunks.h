// The chunks of a PNG file that are read here and not by libpng. Private to the image folder.
#pragma once

#include <cstdint>
#include <optional>

#include "formats/image/decoders.h"

namespace mcv::image_internal {

inline constexpr size_t kPngSignatureBytes = 8;

// The number at `at`, which must lie inside.
uint32_t PngNumber(Bytes file, size_t at);

// The payload of the first chunk of this type, if there is one that is whole.
std::optional<Bytes> FindPngChunk(Bytes file, const char* type);

// EXIF orientation, 1..8: of the chunk eXIf, else of a text "Raw profile type exif", in which
// programs put it before there was that chunk. 1 if there is none.
int PngOrientation(Bytes file);

// For pictures of 16 bits: how many of them the file says are meant (sBIT, of the channel that has
// most); 16 if it does not say.
int PngSignificantBits(Bytes file);

}  // namespace mcv::image_internal
