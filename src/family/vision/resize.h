// Resizing pictures to the byte as the reference does: Pillow's bicubic filter with its 8-bit fixed
// point arithmetic. A different filter here is the best known reason for models that misread
// small print.
#pragma once

#include "base/thread_pool.h"
#include "formats/image/image.h"

namespace mcv {

// image and the new sides are at least 1 pixel. An equal size gives a copy. Rows are made in bands
// by the pool's workers if there is one; the bytes do not depend on it. Scratch memory per worker
// is one filter window of rows of the new width.
Image ResizeBicubic(const Image& image, int width, int height, ThreadPool* pool = nullptr);

}  // namespace mcv
