// Makes picture files in memory for tests, with the libraries that decode them: every colour type,
// metadata where wanted. Failure to encode ends the test program.
#pragma once

#include <png.h>
#include <webp/encode.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

// jpeglib.h needs <cstdio> before it.
#include <jpeglib.h>

namespace mcv {

// channels per pixel as stored; 16-bit samples are two bytes, high byte first; below 8 bits, rows
// are packed.
struct PngSource {
  int width = 0;
  int height = 0;
  int depth = 8;
  int color_type = PNG_COLOR_TYPE_RGB;
  bool interlaced = false;
  std::vector<std::vector<uint8_t>> rows;
  std::vector<png_color> palette;
  std::vector<uint8_t> palette_alpha;         // tRNS of a palette picture
  const png_color_16* transparent = nullptr;  // tRNS of a gray or RGB picture
  std::vector<uint8_t> exif;                  // a TIFF structure for eXIf
};

inline std::string EncodePng(const PngSource& source) {
  std::string file;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &file,
      [](png_structp p, png_bytep data, size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))
            ->append(reinterpret_cast<const char*>(data), size);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, static_cast<png_uint_32>(source.width),
               static_cast<png_uint_32>(source.height), source.depth, source.color_type,
               source.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!source.palette.empty()) {
    png_set_PLTE(png, info, source.palette.data(), static_cast<int>(source.palette.size()));
  }
  if (!source.palette_alpha.empty()) {
    png_set_tRNS(png, info, source.palette_alpha.data(),
                 static_cast<int>(source.palette_alpha.size()), nullptr);
  }
  if (source.transparent != nullptr) png_set_tRNS(png, info, nullptr, 0, source.transparent);
  std::vector<uint8_t> exif = source.exif;
  if (!exif.empty()) {
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(exif.size()), exif.data());
  }
  png_write_info(png, info);
  std::vector<png_bytep> rows;
  for (const auto& row : source.rows) rows.push_back(const_cast<png_bytep>(row.data()));
  png_write_image(png, rows.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return file;
}

struct JpegSource {
  int width = 0;
  int height = 0;
  int channels = 3;  // 1 gray, 3 RGB, 4 CMYK as stored in the file
  std::vector<uint8_t> pixels;
  int quality = 95;
  bool progressive = false;
  bool ycck = false;  // 4 channels: store YCCK instead of CMYK
  int sampling = 2;   // luma samples per chroma sample along each axis
  int restart_interval = 0;
  std::vector<uint8_t> app1;  // contents of an APP1 marker
};

inline std::string EncodeJpeg(const JpegSource& source) {
  jpeg_compress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* data = nullptr;
  unsigned long size = 0;  // NOLINT: the library's type
  jpeg_mem_dest(&jpeg, &data, &size);
  jpeg.image_width = static_cast<JDIMENSION>(source.width);
  jpeg.image_height = static_cast<JDIMENSION>(source.height);
  jpeg.input_components = source.channels;
  jpeg.in_color_space = source.channels == 1   ? JCS_GRAYSCALE
                        : source.channels == 3 ? JCS_RGB
                                               : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  if (source.channels == 4) jpeg_set_colorspace(&jpeg, source.ycck ? JCS_YCCK : JCS_CMYK);
  jpeg_set_quality(&jpeg, source.quality, TRUE);
  if (source.channels == 3) {
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = source.sampling;
  }
  jpeg.restart_interval = static_cast<unsigned>(source.restart_interval);
  if (source.progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  if (!source.app1.empty()) {
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, source.app1.data(),
                      static_cast<unsigned>(source.app1.size()));
  }
  const size_t row_bytes = static_cast<size_t>(source.width) * static_cast<size_t>(source.channels);
  while (jpeg.next_scanline < jpeg.image_height) {
    auto* row = const_cast<JSAMPROW>(&source.pixels[row_bytes * jpeg.next_scanline]);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string file(reinterpret_cast<char*>(data), size);
  std::free(data);
  jpeg_destroy_compress(&jpeg);
  return file;
}

// pixels: RGB or RGBA.
inline std::string EncodeWebp(int width, int height, int channels,
                              const std::vector<uint8_t>& pixels, bool lossless) {
  uint8_t* data = nullptr;
  const uint8_t* in = pixels.data();
  size_t size = 0;
  if (lossless) {
    size = channels == 4 ? WebPEncodeLosslessRGBA(in, width, height, width * 4, &data)
                         : WebPEncodeLosslessRGB(in, width, height, width * 3, &data);
  } else {
    size = channels == 4 ? WebPEncodeRGBA(in, width, height, width * 4, 90.0f, &data)
                         : WebPEncodeRGB(in, width, height, width * 3, 90.0f, &data);
  }
  std::string file(reinterpret_cast<char*>(data), size);
  WebPFree(data);
  return file;
}

inline void AppendLittleEndian(uint64_t value, int num_bytes, std::string* out) {
  for (int i = 0; i < num_bytes; ++i) *out += static_cast<char>(value >> (8 * i));
}

inline std::string RiffChunk(const std::string& type, const std::string& payload) {
  std::string chunk = type;
  AppendLittleEndian(payload.size(), 4, &chunk);
  chunk += payload;
  if (payload.size() % 2 != 0) chunk += '\0';
  return chunk;
}

inline std::string RiffFile(const std::string& chunks) {
  return RiffChunk("RIFF", "WEBP" + chunks);
}

// The extended header: flags are 0x02 animation, 0x08 EXIF, 0x10 alpha.
inline std::string WebpExtendedHeader(int flags, int width, int height) {
  std::string payload;
  AppendLittleEndian(static_cast<uint64_t>(flags), 4, &payload);
  AppendLittleEndian(static_cast<uint64_t>(width - 1), 3, &payload);
  AppendLittleEndian(static_cast<uint64_t>(height - 1), 3, &payload);
  return RiffChunk("VP8X", payload);
}

// A TIFF structure whose only fact is the orientation.
inline std::string OrientationTiff(int orientation, bool big_endian = false) {
  const auto put = [big_endian](uint32_t value, int num_bytes, std::string* out) {
    for (int i = 0; i < num_bytes; ++i) {
      *out += static_cast<char>(value >> (8 * (big_endian ? num_bytes - 1 - i : i)));
    }
  };
  std::string tiff = big_endian ? "MM" : "II";
  put(42, 2, &tiff);
  put(8, 4, &tiff);
  put(2, 2, &tiff);  // two entries: a maker's long and the orientation
  put(0x0100, 2, &tiff);
  put(4, 2, &tiff);
  put(1, 4, &tiff);
  put(7, 4, &tiff);
  put(0x0112, 2, &tiff);
  put(3, 2, &tiff);
  put(1, 4, &tiff);
  put(static_cast<uint32_t>(orientation), 2, &tiff);
  put(0, 2, &tiff);
  put(0, 4, &tiff);
  return tiff;
}

inline std::vector<uint8_t> ToBytes(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace mcv
