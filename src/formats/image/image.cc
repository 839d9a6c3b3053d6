#include "formats/image/image.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/mapped_file.h"
#include "base/no_throw.h"
#include "formats/image/decoders.h"
#include "formats/image/orientation.h"
#include "formats/image/sniff.h"

namespace mcv {
namespace image_internal {

Result<std::vector<uint8_t>> NewBuffer(uint64_t num_bytes, uint8_t fill) {
  try {
    return std::vector<uint8_t>(num_bytes, fill);
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("the picture needs " + std::to_string(num_bytes) +
                             " bytes of memory, which are not to be had");
  }
}

Result<Image> NewImage(int width, int height, uint8_t fill) {
  Image image;
  image.width = width;
  image.height = height;
  MCV_ASSIGN_OR_RETURN(
      image.pixels,
      NewBuffer(uint64_t{3} * static_cast<uint64_t>(width) * static_cast<uint64_t>(height), fill));
  return image;
}

Backdrop BackdropOf(const ImageOptions& options) {
  if (!options.alpha_over_white) return Backdrop::kNone;
  return options.alpha_over_black ? Backdrop::kBlack : Backdrop::kWhite;
}

void FlattenRow(const uint8_t* rgba, int width, Backdrop backdrop, uint8_t* rgb) {
  const uint32_t behind = backdrop == Backdrop::kWhite ? 255 : 0;
  for (int x = 0; x < width; ++x, rgba += 4, rgb += 3) {
    const uint32_t alpha = backdrop == Backdrop::kNone ? 255 : rgba[3];
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<uint8_t>((rgba[c] * alpha + behind * (255 - alpha) + 127) / 255);
    }
  }
}

}  // namespace image_internal

namespace {

// Above this a claim of a large size is held against the bytes that are to justify it.
constexpr uint64_t kUnquestionedPixels = 16'000'000;
// Photographs have 3 to 20 pixels per byte. JPEG spends at least a bit on 64 pixels; the deflate of
// PNG reaches 1032 bytes from one, and a byte may hold 8 pixels. (A WebP of one colour is a few
// bytes long at any size, so nothing can be asked of it.)
constexpr uint64_t kMostJpegPixelsPerByte = 1024;
constexpr uint64_t kMostPngPixelsPerByte = 1032 * 8;

std::string SizeText(const ImageInfo& info) {
  return std::to_string(info.width) + "x" + std::to_string(info.height);
}

Status CheckLimits(const ImageInfo& info, PictureKind kind, uint64_t file_bytes,
                   const ImageOptions& options) {
  const uint64_t pixels = static_cast<uint64_t>(info.width) * static_cast<uint64_t>(info.height);
  if (info.width > options.max_side || info.height > options.max_side) {
    return ResourceExhausted("the " + info.format + " picture claims " + SizeText(info) +
                             " pixels; a side may have " + std::to_string(options.max_side));
  }
  if (pixels > options.max_pixels) {
    return ResourceExhausted("the " + info.format + " picture claims " + SizeText(info) +
                             " pixels; " + std::to_string(options.max_pixels) +
                             " are accepted: make it smaller first");
  }
  const uint64_t per_byte = kind == PictureKind::kJpeg  ? kMostJpegPixelsPerByte
                            : kind == PictureKind::kPng ? kMostPngPixelsPerByte
                                                        : 0;
  if (per_byte > 0 && pixels > kUnquestionedPixels && pixels / per_byte > file_bytes) {
    return Corrupt("the " + info.format + " picture claims " + SizeText(info) +
                   " pixels, which its " + std::to_string(file_bytes) + " bytes cannot hold");
  }
  return OkStatus();
}

Result<ImageInfo> ReadInfo(std::span<const std::byte> file, const Sniffed& sniffed) {
  switch (sniffed.kind) {
    case PictureKind::kJpeg:
      return image_internal::ReadJpegInfo(file);
    case PictureKind::kPng:
      return image_internal::ReadPngInfo(file);
    case PictureKind::kWebp:
      return image_internal::ReadWebpInfo(file);
    case PictureKind::kNotAccepted:
      break;
  }
  return Unsupported("this is " + sniffed.name + "; accepted are JPEG, PNG and WebP pictures" +
                     std::string(HowToConvert(sniffed.name)));
}

Result<DecodedImage> DecodeStored(std::span<const std::byte> file, const Sniffed& sniffed,
                                  const ImageInfo& info, const ImageOptions& options) {
  switch (sniffed.kind) {
    case PictureKind::kJpeg:
      return image_internal::DecodeJpeg(file, info);
    case PictureKind::kPng:
      return image_internal::DecodePng(file, info, options);
    default:
      return image_internal::DecodeWebp(file, info, options);
  }
}

bool IsAllWhite(const Image& image) {
  constexpr uint8_t kWhite = 245;
  return std::ranges::all_of(image.pixels, [](uint8_t value) { return value >= kWhite; });
}

// White writing on nothing (a logo, a signature) would be white on white. Black behind it shows it;
// where that shows nothing either, the picture is empty and stays as it was.
Status ShowWhiteOnBlack(std::span<const std::byte> file, const Sniffed& sniffed,
                        const ImageInfo& info, ImageOptions options, DecodedImage* decoded) {
  if (!info.alpha || !options.alpha_over_white || options.alpha_over_black) return OkStatus();
  if (!IsAllWhite(decoded->image)) return OkStatus();
  options.alpha_over_black = true;
  decoded->image = {};  // its memory first
  MCV_ASSIGN_OR_RETURN(DecodedImage on_black, DecodeStored(file, sniffed, info, options));
  const auto [darkest, lightest] = std::ranges::minmax_element(on_black.image.pixels);
  if (*darkest == 0 && *lightest >= 128) {
    on_black.notes.push_back("white on a transparent ground: it is shown on black");
  } else {
    options.alpha_over_black = false;
    on_black = {};
    MCV_ASSIGN_OR_RETURN(on_black, DecodeStored(file, sniffed, info, options));
  }
  *decoded = std::move(on_black);
  return OkStatus();
}

// More than any picture within max_pixels needs; a file beyond it is not read into memory.
constexpr size_t kMaxFileBytes = size_t{1} << 30;

}  // namespace

Result<ImageInfo> ReadImageInfo(std::span<const std::byte> file) {
  return WithoutThrowing("the picture", [&] { return ReadInfo(file, SniffPicture(file)); });
}

Result<ImageInfo> LoadImageInfo(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(const std::string file, ReadFile(path, kMaxFileBytes));
  auto info = ReadImageInfo(std::as_bytes(std::span(file)));
  if (!info.ok()) return info.status().Annotate(path);
  return info;
}

// As ImageOptions::max_pixels says; turning sideways takes a second picture.
uint64_t MostDecodingBytes(const ImageInfo& info) {
  uint64_t per_pixel = 3;
  if (info.format == "JPEG") per_pixel += info.channels == 4 ? 8 : 6;
  if (info.alpha) per_pixel += 4;
  if (info.orientation >= 5) per_pixel += 3;
  return per_pixel * static_cast<uint64_t>(info.width) * static_cast<uint64_t>(info.height);
}

namespace {

Result<DecodedImage> DecodeUpright(std::span<const std::byte> file, const ImageOptions& options) {
  const Sniffed sniffed = SniffPicture(file);
  MCV_ASSIGN_OR_RETURN(const ImageInfo info, ReadInfo(file, sniffed));
  MCV_RETURN_IF_ERROR(CheckLimits(info, sniffed.kind, file.size(), options));
  MCV_ASSIGN_OR_RETURN(DecodedImage decoded, DecodeStored(file, sniffed, info, options));
  MCV_RETURN_IF_ERROR(ShowWhiteOnBlack(file, sniffed, info, options, &decoded));
  decoded.info = info;
  if (options.apply_orientation) {
    MCV_RETURN_IF_ERROR(TurnUpright(info.orientation, &decoded.image));
  }
  return decoded;
}

}  // namespace

Result<DecodedImage> DecodeImage(std::span<const std::byte> file, const ImageOptions& options) {
  return WithoutThrowing("the picture", [&] { return DecodeUpright(file, options); });
}

Result<DecodedImage> LoadImage(const std::string& path, const ImageOptions& options) {
  // Read, not mapped: a file that shrinks under a mapping kills the program.
  MCV_ASSIGN_OR_RETURN(const std::string file, ReadFile(path, kMaxFileBytes));
  auto decoded = DecodeImage(std::as_bytes(std::span(file)), options);
  if (!decoded.ok()) return decoded.status().Annotate(path);
  return decoded;
}

}  // namespace mcv
