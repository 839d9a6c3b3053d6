// Pictures from outside: JPEG, PNG and WebP to 8-bit RGB, upright, with limits known before pixels
// are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace mcv {

// 8-bit RGB, rows top to bottom, no padding: pixels.size() == width * height * 3.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> pixels;
};

struct ImageOptions {
  bool apply_orientation = true;  // turn by the EXIF orientation; off replays the reference
  // Off does what the reference's convert("RGB") does: drops alpha, and makes white of whatever is
  // above 255 in a gray picture of 16 bits. On shows a drawing of white alone on black.
  bool alpha_over_white = true;
  bool alpha_over_black = false;  // instead, where alpha_over_white is on
  // Decoding takes 3 bytes per pixel; up to 6 more for a progressive JPEG (8 in CMYK) and 4 more
  // for alpha that has to be kept whole, until the picture is done.
  uint64_t max_pixels = 200'000'000;
  int max_side = 65'535;
};

// What the header says, before any pixel memory is taken.
struct ImageInfo {
  std::string format;  // "JPEG", "PNG", "WebP"
  int width = 0;       // as stored, before orientation
  int height = 0;
  int orientation = 1;  // EXIF 1..8
  int channels = 3;
  bool alpha = false;
};

struct DecodedImage {
  Image image;
  ImageInfo info;
  // Not fatal, worth telling: "the file ends early: the lower part is gray", for instance.
  std::vector<std::string> notes;
};

// Unsupported (naming what came and what is accepted), Corrupt, ResourceExhausted.
Result<ImageInfo> ReadImageInfo(std::span<const std::byte> file);
// The same of a file, which is read but not decoded.
Result<ImageInfo> LoadImageInfo(const std::string& path);
// The most that decoding such a picture takes, its pixels included.
uint64_t MostDecodingBytes(const ImageInfo& info);
Result<DecodedImage> DecodeImage(std::span<const std::byte> file, const ImageOptions& options = {});
Result<DecodedImage> LoadImage(const std::string& path, const ImageOptions& options = {});

// PNG, 8-bit RGB; for previews and tests.
Status WritePng(const std::string& path, const Image& image);

}  // namespace mcv
