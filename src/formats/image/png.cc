// PNG through libpng: every colour type and depth ends as 8-bit RGB. 16-bit samples keep their high
// byte, as in the reference's decoder; colour profiles and gamma are not applied, as there.
//
// libpng reports errors by longjmp. Each function that contains a setjmp has only plain data; what
// lives longer is in Session, owned by the caller.

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "base/file_writer.h"
#include "formats/image/decoders.h"
#include "formats/image/exif.h"

namespace mcv::image_internal {
namespace {

constexpr size_t kSignatureBytes = 8;
constexpr size_t kHeaderEnd = kSignatureBytes + 8 + 13 + 4;  // signature and the whole IHDR chunk

uint32_t BigEndian(Bytes file, size_t at) {
  return std::to_integer<uint32_t>(file[at]) << 24 | std::to_integer<uint32_t>(file[at + 1]) << 16 |
         std::to_integer<uint32_t>(file[at + 2]) << 8 | std::to_integer<uint32_t>(file[at + 3]);
}

// The payload of the first chunk of this type, if there is one that is whole.
std::optional<Bytes> FindChunk(Bytes file, const char* type) {
  size_t at = kSignatureBytes;
  while (file.size() - at >= 12) {
    const uint64_t length = BigEndian(file, at);
    if (file.size() - at - 12 < length) break;
    if (std::memcmp(&file[at + 4], type, 4) == 0) return file.subspan(at + 8, length);
    at += 12 + length;
  }
  return std::nullopt;
}

struct Session {
  png_structp png;
  png_infop info;
  const uint8_t* data;
  size_t size;
  size_t offset;
  bool has_end;  // the file is whole as far as its chunks go
  bool ended;    // libpng wanted more than there is
  char error[160];
  int passes;
  int pass;         // the pass being read
  png_uint_32 row;  // rows read of this pass
  png_uint_32 width;
  png_uint_32 height;
  int channels;  // of a row as libpng gives it: 3 or 4
};

void OnError(png_structp png, png_const_charp message) {
  auto* session = static_cast<Session*>(png_get_error_ptr(png));
  std::snprintf(session->error, sizeof(session->error), "%s", message);
  png_longjmp(png, 1);
}

void OnWarning(png_structp, png_const_charp) {}

void OnRead(png_structp png, png_bytep to, size_t num_bytes) {
  auto* session = static_cast<Session*>(png_get_io_ptr(png));
  if (session->size - session->offset < num_bytes) {
    session->ended = true;
    png_error(png, "the file ends early");
  }
  std::memcpy(to, session->data + session->offset, num_bytes);
  session->offset += num_bytes;
}

class SessionOwner {
 public:
  SessionOwner(Bytes file, const ImageInfo& info) {
    std::memset(&session_, 0, sizeof(session_));
    session_.data = reinterpret_cast<const uint8_t*>(file.data());
    session_.size = file.size();
    session_.has_end = FindChunk(file, "IEND").has_value();
    session_.width = static_cast<png_uint_32>(info.width);
    session_.height = static_cast<png_uint_32>(info.height);
    session_.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &session_, OnError, OnWarning);
    if (session_.png != nullptr) session_.info = png_create_info_struct(session_.png);
  }
  ~SessionOwner() {
    if (session_.png != nullptr) png_destroy_read_struct(&session_.png, &session_.info, nullptr);
  }
  SessionOwner(const SessionOwner&) = delete;
  SessionOwner& operator=(const SessionOwner&) = delete;
  Session* get() { return &session_; }

 private:
  Session session_;
};

// Chunks that cannot change a pixel are skipped unread: compressed texts and profiles would be
// inflated only to be thrown away.
void SkipOtherChunks(png_structp png) {
  static const png_byte kSkipped[] =
      "bKGD\0cHRM\0cICP\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0"
      "sRGB\0sTER\0tEXt\0tIME\0zTXt";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, 0);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, kSkipped,
                              static_cast<int>(sizeof(kSkipped) / 5));
}

bool ReadHeader(Session* session) {
  png_structp png = session->png;
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_read_fn(png, session, OnRead);
  png_set_user_limits(png, session->width, session->height);
  // libpng's limit would refuse a picture for the length of a chunk that is skipped here; the two
  // that are read besides the pixels, PLTE and tRNS, have at most 768 bytes by their own rules.
  png_set_chunk_malloc_max(png, 0);
  // libpng takes compressed bytes in blocks and none of a block that is not whole: small ones leave
  // little of a cut file unread.
  if (!session->has_end) png_set_compression_buffer_size(png, 16);
  SkipOtherChunks(png);
  png_read_info(png, session->info);
  png_set_expand(png);  // palette to RGB, 1, 2, 4 bits to 8, tRNS to alpha
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  session->passes = png_set_interlace_handling(png);
  png_read_update_info(png, session->info);
  session->channels = png_get_channels(png, session->info);
  return true;
}

// Rows without alpha go straight to rgb, which has the whole picture. Rows with alpha go to `work`
// (null otherwise): one row, flattened to rgb as it comes; or, if interlaced, the whole picture,
// which all passes refine.
bool ReadRows(Session* session, bool over_white, uint8_t* work, uint8_t* rgb) {
  png_structp png = session->png;
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  const size_t width = session->width;
  const bool interlaced = session->passes > 1;
  for (; session->pass < session->passes; ++session->pass) {
    for (session->row = 0; session->row < session->height; ++session->row) {
      uint8_t* rgb_row = rgb + 3 * width * session->row;
      if (interlaced) {
        // The display form fills the pixels that later passes will bring with their neighbours, so
        // that a file which ends early still shows the whole picture coarsely.
        png_read_row(png, nullptr, work == nullptr ? rgb_row : work + 4 * width * session->row);
      } else if (work == nullptr) {
        png_read_row(png, rgb_row, nullptr);
      } else {
        png_read_row(png, work, nullptr);
        FlattenRow(work, static_cast<int>(width), over_white, rgb_row);
      }
    }
  }
  return true;
}

std::string EarlyEndNote(const Session& session) {
  const std::string cause = session.ended
                                ? "the PNG file ends early"
                                : std::string("the PNG data is damaged (") + session.error + ")";
  if (session.passes > 1) {
    return cause + " in pass " + std::to_string(session.pass + 1) + " of " +
           std::to_string(session.passes) + ": the picture is coarse or partly gray";
  }
  return cause + " after " + std::to_string(session.row) + " of " + std::to_string(session.height) +
         " rows: the rest is gray";
}

}  // namespace

Result<ImageInfo> ReadPngInfo(Bytes file) {
  if (file.size() < kHeaderEnd || BigEndian(file, kSignatureBytes) != 13 ||
      std::memcmp(&file[kSignatureBytes + 4], "IHDR", 4) != 0) {
    return Corrupt("the PNG picture has no complete header (" + std::to_string(file.size()) +
                   " bytes, the header ends at " + std::to_string(kHeaderEnd) + ")");
  }
  const uint32_t width = BigEndian(file, 16);
  const uint32_t height = BigEndian(file, 20);
  constexpr uint32_t kMaxSide = 0x7fffffff;  // the format's own limit
  if (width == 0 || height == 0 || width > kMaxSide || height > kMaxSide) {
    return Corrupt("the PNG picture claims " + std::to_string(width) + "x" +
                   std::to_string(height) + " pixels; a side has 1 to 2147483647");
  }
  ImageInfo info;
  info.format = "PNG";
  info.width = static_cast<int>(width);
  info.height = static_cast<int>(height);
  const auto color_type = std::to_integer<unsigned>(file[25]);
  info.alpha = (color_type & PNG_COLOR_MASK_ALPHA) != 0 || FindChunk(file, "tRNS").has_value();
  info.channels = ((color_type & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1) + (info.alpha ? 1 : 0);
  info.orientation = ExifOrientation(FindChunk(file, "eXIf").value_or(Bytes()));
  return info;
}

Result<DecodedImage> DecodePng(Bytes file, const ImageInfo& info, const ImageOptions& options) {
  SessionOwner owner(file, info);
  Session* session = owner.get();
  if (session->png == nullptr || session->info == nullptr) {
    return ResourceExhausted("no memory to decode a PNG picture");
  }
  if (!ReadHeader(session)) {
    return Corrupt(std::string("the PNG picture cannot be decoded: ") + session->error);
  }
  MCV_CHECK(session->channels == 3 || session->channels == 4);
  DecodedImage decoded;
  MCV_ASSIGN_OR_RETURN(decoded.image, NewImage(info.width, info.height, kMissing));
  const bool interlaced = session->passes > 1;
  std::vector<uint8_t> work;
  if (session->channels == 4) {
    const uint64_t rows = interlaced ? session->height : 1;
    MCV_ASSIGN_OR_RETURN(work, NewBuffer(uint64_t{4} * session->width * rows, kMissing));
    for (size_t i = 3; i < work.size(); i += 4) work[i] = 255;  // what is missing is opaque gray
  }
  const bool complete = ReadRows(session, options.alpha_over_white,
                                 work.empty() ? nullptr : work.data(), decoded.image.pixels.data());
  if (!complete) {
    if (session->pass == 0 && session->row == 0) {
      return Corrupt(std::string("the PNG picture has no row that can be decoded: ") +
                     session->error);
    }
    decoded.notes.push_back(EarlyEndNote(*session));
  }
  for (size_t y = 0; !work.empty() && interlaced && y < session->height; ++y) {
    FlattenRow(&work[4 * session->width * y], info.width, options.alpha_over_white,
               &decoded.image.pixels[3 * session->width * y]);
  }
  if (FindChunk(file, "acTL").has_value()) {
    decoded.notes.push_back("this is an animated PNG: only its still picture is used");
  }
  return decoded;
}

}  // namespace mcv::image_internal

namespace mcv {

Status WritePng(const std::string& path, const Image& image) {
  MCV_CHECK(image.width > 0 && image.height > 0);
  png_image png;
  std::memset(&png, 0, sizeof(png));
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  MCV_ASSIGN_OR_RETURN(std::vector<uint8_t> file, image_internal::NewBuffer(size, 0));
  if (!png_image_write_to_memory(&png, file.data(), &size, /*convert_to_8bit=*/0,
                                 image.pixels.data(), /*row_stride=*/0, /*colormap=*/nullptr)) {
    return Internal(std::string("a PNG could not be made: ") + png.message);
  }
  return WriteFile(path, {reinterpret_cast<const char*>(file.data()), size});
}

}  // namespace mcv
