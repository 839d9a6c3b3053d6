// What happens to pictures on their way: blur, sensor noise, JPEG compression.
#pragma once

#include <cstdint>

#include "trainer/data/sample.h"

namespace mcv::trainer {

// Gaussian of `sigma` pixels, per channel, edges repeated.
void Blur(Picture& picture, float sigma);
// Gaussian noise of `sigma` levels, independent per channel, a function of the seed alone.
void AddNoise(Picture& picture, float sigma, uint64_t seed);
// What the 8x8 cosine blocks of a JPEG file of this quality (1..100) lose; no chroma subsampling.
void CompressLikeJpeg(Picture& picture, int quality);

}  // namespace mcv::trainer
