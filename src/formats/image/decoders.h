// Inside the image folder only: what the three decoders share. Each reads a header without pixel
// memory and decodes within limits that were checked on that header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "formats/image/image.h"

namespace mcv::image_internal {

using Bytes = std::span<const std::byte>;

// The signature has been seen; the rest is not to be trusted. width and height are at least 1.
Result<ImageInfo> ReadJpegInfo(Bytes file);
Result<ImageInfo> ReadPngInfo(Bytes file);
Result<ImageInfo> ReadWebpInfo(Bytes file);

// Pixels as stored: orientation is not applied yet. `info` is what Read..Info gave for this file
// and is within the limits.
Result<DecodedImage> DecodeJpeg(Bytes file, const ImageInfo& info);
Result<DecodedImage> DecodePng(Bytes file, const ImageInfo& info, const ImageOptions& options);
Result<DecodedImage> DecodeWebp(Bytes file, const ImageInfo& info, const ImageOptions& options);

// What a picture shows where its file ends early.
inline constexpr uint8_t kMissing = 128;

// An image whose every byte is `fill`, or ResourceExhausted.
Result<Image> NewImage(int width, int height, uint8_t fill);
// num_bytes of `fill`, or ResourceExhausted.
Result<std::vector<uint8_t>> NewBuffer(uint64_t num_bytes, uint8_t fill);

// What shows through alpha.
enum class Backdrop : uint8_t { kWhite, kBlack, kNone };  // kNone: alpha is dropped
Backdrop BackdropOf(const ImageOptions& options);

// RGBA to RGB.
void FlattenRow(const uint8_t* rgba, int width, Backdrop backdrop, uint8_t* rgb);

}  // namespace mcv::image_internal
