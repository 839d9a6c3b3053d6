// WebP through libwebp: lossy, lossless, with alpha, and the first frame of an animation. Decoding
// is incremental, so that a file which ends early shows the rows it has.

#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "formats/image/decoders.h"
#include "formats/image/exif.h"

namespace mcv::image_internal {
namespace {

const uint8_t* Data(Bytes bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }

// The payload of the first chunk of this type in the RIFF container, empty if there is none.
Bytes FindChunk(Bytes file, const char* type) {
  uint64_t at = 12;
  while (at + 8 <= file.size()) {
    const uint8_t* header = Data(file) + at;
    const uint64_t length =
        header[4] | header[5] << 8 | header[6] << 16 | uint64_t{header[7]} << 24;
    if (length > file.size() - at - 8) break;
    if (std::memcmp(header, type, 4) == 0) return file.subspan(at + 8, length);
    at += 8 + length + (length & 1);
  }
  return {};
}

std::string StatusText(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return "there is not enough memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "it uses a feature that the decoder does not know";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "the file ends early";
    default:
      return "the data is damaged";
  }
}

Status ErrorOf(VP8StatusCode status) {
  const std::string why = "the WebP picture cannot be decoded: " + StatusText(status);
  if (status == VP8_STATUS_OUT_OF_MEMORY) return ResourceExhausted(why);
  if (status == VP8_STATUS_UNSUPPORTED_FEATURE) return Unsupported(why);
  return Corrupt(why);
}

// One coded frame, flattened to RGB at (left, top) of the image.
struct Frame {
  Bytes coded;
  int width = 0;
  int height = 0;
  int left = 0;
  int top = 0;
  bool alpha = false;
};

void CopyRows(const std::vector<uint8_t>& rgba, const Frame& frame, int rows, Backdrop backdrop,
              Image* image) {
  for (int y = 0; y < rows; ++y) {
    const size_t to = static_cast<size_t>(frame.top + y) * static_cast<size_t>(image->width) +
                      static_cast<size_t>(frame.left);
    FlattenRow(&rgba[size_t{4} * static_cast<size_t>(y) * static_cast<size_t>(frame.width)],
               frame.width, backdrop, &image->pixels[to * 3]);
  }
}

// Decodes as many rows as the data has; adds a note if they are not all.
Status DecodeFrame(const Frame& frame, Backdrop backdrop, DecodedImage* decoded) {
  Image& image = decoded->image;
  const bool direct = !frame.alpha && frame.width == image.width && frame.height == image.height;
  const int channels = direct ? 3 : 4;
  std::vector<uint8_t> rgba;
  if (!direct) {
    MCV_ASSIGN_OR_RETURN(rgba, NewBuffer(uint64_t{4} * static_cast<uint64_t>(frame.width) *
                                             static_cast<uint64_t>(frame.height),
                                         0));
  }
  WebPDecBuffer buffer;
  if (!WebPInitDecBuffer(&buffer)) return Internal("libwebp has another version than its headers");
  buffer.colorspace = direct ? MODE_RGB : MODE_RGBA;
  buffer.is_external_memory = 1;
  buffer.u.RGBA.rgba = direct ? image.pixels.data() : rgba.data();
  buffer.u.RGBA.stride = channels * frame.width;
  buffer.u.RGBA.size = direct ? image.pixels.size() : rgba.size();
  const std::unique_ptr<WebPIDecoder, decltype(&WebPIDelete)> decoder(WebPINewDecoder(&buffer),
                                                                      &WebPIDelete);
  if (decoder == nullptr) return ErrorOf(VP8_STATUS_OUT_OF_MEMORY);
  const VP8StatusCode status = WebPIUpdate(decoder.get(), Data(frame.coded), frame.coded.size());
  int rows = 0;
  if (WebPIDecGetRGB(decoder.get(), &rows, nullptr, nullptr, nullptr) == nullptr) rows = 0;
  if (status == VP8_STATUS_OK) rows = frame.height;
  if (rows <= 0) return ErrorOf(status);
  if (!direct) CopyRows(rgba, frame, rows, backdrop, &image);
  if (status != VP8_STATUS_OK) {
    decoded->notes.push_back("only " + std::to_string(rows) + " of " +
                             std::to_string(frame.height) + " rows of the WebP picture arrived (" +
                             StatusText(status) + "): the rest is gray");
  }
  return OkStatus();
}

// The first frame of an animation, on a canvas that is white, or black where alpha is dropped, as
// the reference's decoder leaves it.
Status DecodeFirstFrame(Bytes file, const ImageOptions& options, DecodedImage* decoded) {
  const WebPData data = {Data(file), file.size()};
  WebPDemuxState state;
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(
      WebPDemuxPartial(&data, &state), &WebPDemuxDelete);
  WebPIterator first;
  if (demuxer == nullptr || !WebPDemuxGetFrame(demuxer.get(), 1, &first)) {
    return Corrupt("the animated WebP picture has no frame that can be decoded");
  }
  const Image& canvas = decoded->image;
  Frame frame{{reinterpret_cast<const std::byte*>(first.fragment.bytes), first.fragment.size},
              first.width,
              first.height,
              first.x_offset,
              first.y_offset,
              /*alpha=*/true};
  const int num_frames = static_cast<int>(WebPDemuxGetI(demuxer.get(), WEBP_FF_FRAME_COUNT));
  WebPDemuxReleaseIterator(&first);
  if (frame.width < 1 || frame.height < 1 || frame.left < 0 || frame.top < 0 ||
      frame.width > canvas.width - frame.left || frame.height > canvas.height - frame.top) {
    return Corrupt("the animated WebP picture has a frame that does not fit its canvas");
  }
  const bool whole = frame.width == canvas.width && frame.height == canvas.height;
  if (!whole) {
    const uint8_t background = BackdropOf(options) == Backdrop::kWhite ? 255 : 0;
    std::fill(decoded->image.pixels.begin(), decoded->image.pixels.end(), background);
  }
  if (num_frames > 1) {
    decoded->notes.push_back("this is an animation: only its first frame is used");
  }
  return DecodeFrame(frame, BackdropOf(options), decoded);
}

}  // namespace

Result<ImageInfo> ReadWebpInfo(Bytes file) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(Data(file), file.size(), &features);
  if (status != VP8_STATUS_OK) return ErrorOf(status);
  if (features.width < 1 || features.height < 1) {
    return Corrupt("the WebP picture has a side of 0 pixels");
  }
  ImageInfo info;
  info.format = "WebP";
  info.width = features.width;
  info.height = features.height;
  info.alpha = features.has_alpha != 0;
  info.channels = info.alpha ? 4 : 3;
  info.orientation = ExifOrientation(FindChunk(file, "EXIF"));
  return info;
}

Result<DecodedImage> DecodeWebp(Bytes file, const ImageInfo& info, const ImageOptions& options) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(Data(file), file.size(), &features);
  if (status != VP8_STATUS_OK) return ErrorOf(status);
  DecodedImage decoded;
  MCV_ASSIGN_OR_RETURN(decoded.image, NewImage(info.width, info.height, kMissing));
  if (features.has_animation) {
    MCV_RETURN_IF_ERROR(DecodeFirstFrame(file, options, &decoded));
  } else {
    const Frame frame{file, info.width, info.height, 0, 0, info.alpha};
    MCV_RETURN_IF_ERROR(DecodeFrame(frame, BackdropOf(options), &decoded));
  }
  return decoded;
}

}  // namespace mcv::image_internal
