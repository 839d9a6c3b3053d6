// Turning a stored picture upright.
#pragma once

#include "base/status.h"
#include "formats/image/image.h"

namespace mcv {

// Applies EXIF orientation 1..8 to the pixels. 5 to 8 swap the sides and need a second picture's
// memory for a moment: ResourceExhausted if there is none, the image is then unchanged.
Status TurnUpright(int orientation, Image* image);

}  // namespace mcv
