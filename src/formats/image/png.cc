// PNG through libpng: every colour type and depth ends as 8-bit RGB. 16-bit samples keep their high
// byte, as in the reference's decoder, unless the file says that fewer bits are meant; colour
// profiles and gamma are not applied, as there.
//
// libpng reports errors by longjmp. Each function that contains a setjmp has only plain data; what
// lives longer is in Session, owned by the caller.

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/file_writer.h"
#include "formats/image/decoders.h"
#include "formats/image/png_chunks.h"

namespace mcv::image_internal {
namespace {

constexpr size_t kHeaderEnd = kPngSignatureBytes + 8 + 13 + 4;  // signature and the IHDR chunk
constexpr uint16_t kDarkestBright = 4095;  // 16-bit samples up to here are nearly black

// What becomes of samples of 16 bits.
enum class Sixteen : uint8_t {
  kHighByte,
  kClip,   // what the reference makes of gray: whatever is above 255 is white
  kScale,  // `sample_bits` are meant, counted from the lowest
};

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
  Sixteen sixteen;
  int sample_bits;
  uint16_t largest;  // colour sample of 16 bits that was read
  bool trust_checksums;
  bool wrong_checksum;  // the error is of one
};

void OnError(png_structp png, png_const_charp message) {
  auto* session = static_cast<Session*>(png_get_error_ptr(png));
  std::snprintf(session->error, sizeof(session->error), "%s", message);
  session->wrong_checksum = std::strstr(message, "CRC error") != nullptr ||
                            std::strstr(message, "incorrect data check") != nullptr;
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
    session_.has_end = FindPngChunk(file, "IEND").has_value();
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

uint8_t ToByte(const Session& session, uint16_t sample) {
  switch (session.sixteen) {
    case Sixteen::kClip:
      return static_cast<uint8_t>(std::min<uint16_t>(sample, 255));
    case Sixteen::kScale: {
      const uint32_t most = (uint32_t{1} << session.sample_bits) - 1;
      return static_cast<uint8_t>((std::min<uint32_t>(sample, most) * 255 + most / 2) / most);
    }
    default:
      return static_cast<uint8_t>(sample >> 8);
  }
}

// libpng calls this last on every row, which shrinks in place. Alpha always has all its bits.
void OnSixteenBitRow(png_structp png, png_row_infop row, png_bytep data) {
  auto* session = static_cast<Session*>(png_get_user_transform_ptr(png));
  if (row->bit_depth != 16) return;
  const size_t samples = size_t{row->width} * row->channels;
  for (size_t i = 0; i < samples; ++i) {
    const auto sample = static_cast<uint16_t>(data[2 * i] << 8 | data[2 * i + 1]);
    const bool alpha = row->channels == 4 && i % 4 == 3;
    if (!alpha) session->largest = std::max(session->largest, sample);
    data[i] = alpha ? data[2 * i] : ToByte(*session, sample);
  }
}

// An index beyond the palette is a gray of that number for the reference.
void CompletePalette(png_structp png, png_infop info) {
  png_colorp palette = nullptr;
  int count = 0;
  if (png_get_PLTE(png, info, &palette, &count) == 0 || count >= 256) return;
  png_color whole[256];
  for (int i = 0; i < 256; ++i) {
    const auto gray = static_cast<png_byte>(i);
    whole[i] = i < count ? palette[i] : png_color{gray, gray, gray};
  }
  png_set_PLTE(png, info, whole, 1 << png_get_bit_depth(png, info));
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
  if (!session->trust_checksums) {
    png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
#ifdef PNG_IGNORE_ADLER32
    png_set_option(png, PNG_IGNORE_ADLER32, PNG_OPTION_ON);  // the sum of the compressed data
#endif
  }
  png_read_info(png, session->info);
  if (png_get_color_type(png, session->info) == PNG_COLOR_TYPE_PALETTE) {
    CompletePalette(png, session->info);
  }
  png_set_expand(png);  // palette to RGB, 1, 2, 4 bits to 8, tRNS to alpha
  png_set_gray_to_rgb(png);
  if (png_get_bit_depth(png, session->info) == 16) {
    png_set_read_user_transform_fn(png, OnSixteenBitRow);
    const int channels = (png_get_color_type(png, session->info) & PNG_COLOR_MASK_ALPHA) != 0 ||
                                 png_get_valid(png, session->info, PNG_INFO_tRNS) != 0
                             ? 4
                             : 3;
    png_set_user_transform_info(png, session, 8, channels);
  }
  session->passes = png_set_interlace_handling(png);
  png_read_update_info(png, session->info);
  session->channels = png_get_channels(png, session->info);
  return true;
}

// Rows without alpha go straight to rgb, which has the whole picture. Rows with alpha go to `work`
// (null otherwise): one row, flattened to rgb as it comes; or, if interlaced, the whole picture,
// which all passes refine.
bool ReadRows(Session* session, Backdrop backdrop, uint8_t* work, uint8_t* rgb) {
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
        FlattenRow(work, static_cast<int>(width), backdrop, rgb_row);
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
  if (file.size() >= kPngSignatureBytes + 8 &&
      std::memcmp(&file[kPngSignatureBytes + 4], "CgBI", 4) == 0) {
    return Unsupported(
        "this is a PNG in Apple's own form (CgBI), which Xcode makes for iOS apps; open and export "
        "it again on a Mac, or use the picture that the app was built from");
  }
  if (file.size() < kHeaderEnd || PngNumber(file, kPngSignatureBytes) != 13 ||
      std::memcmp(&file[kPngSignatureBytes + 4], "IHDR", 4) != 0) {
    return Corrupt("the PNG picture has no complete header (" + std::to_string(file.size()) +
                   " bytes, the header ends at " + std::to_string(kHeaderEnd) + ")");
  }
  const uint32_t width = PngNumber(file, 16);
  const uint32_t height = PngNumber(file, 20);
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
  info.alpha = (color_type & PNG_COLOR_MASK_ALPHA) != 0 || FindPngChunk(file, "tRNS").has_value();
  info.channels = ((color_type & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1) + (info.alpha ? 1 : 0);
  info.orientation = PngOrientation(file);
  return info;
}

namespace {

// How this file's 16-bit samples are to be read; the first pass over them is for their largest.
struct PngPlan {
  Sixteen sixteen = Sixteen::kHighByte;
  int sample_bits = 16;
  bool trust_checksums = true;
};

struct PngOutcome {
  DecodedImage decoded;
  bool complete = true;
  bool wrong_checksum = false;
  uint16_t largest = 0;
};

Result<PngOutcome> DecodeOnce(Bytes file, const ImageInfo& info, const ImageOptions& options,
                              const PngPlan& plan) {
  SessionOwner owner(file, info);
  Session* session = owner.get();
  if (session->png == nullptr || session->info == nullptr) {
    return ResourceExhausted("no memory to decode a PNG picture");
  }
  session->sixteen = plan.sixteen;
  session->sample_bits = plan.sample_bits;
  session->trust_checksums = plan.trust_checksums;
  PngOutcome outcome;
  if (!ReadHeader(session)) {
    outcome.wrong_checksum = session->wrong_checksum && plan.trust_checksums;
    if (outcome.wrong_checksum) return outcome;
    return Corrupt(std::string("the PNG picture cannot be decoded: ") + session->error);
  }
  MCV_CHECK(session->channels == 3 || session->channels == 4);
  DecodedImage& decoded = outcome.decoded;
  MCV_ASSIGN_OR_RETURN(decoded.image, NewImage(info.width, info.height, kMissing));
  const bool interlaced = session->passes > 1;
  std::vector<uint8_t> work;
  if (session->channels == 4) {
    const uint64_t rows = interlaced ? session->height : 1;
    MCV_ASSIGN_OR_RETURN(work, NewBuffer(uint64_t{4} * session->width * rows, kMissing));
    for (size_t i = 3; i < work.size(); i += 4) work[i] = 255;  // what is missing is opaque gray
  }
  const Backdrop backdrop = BackdropOf(options);
  outcome.complete = ReadRows(session, backdrop, work.empty() ? nullptr : work.data(),
                              decoded.image.pixels.data());
  outcome.wrong_checksum = !outcome.complete && session->wrong_checksum;
  outcome.largest = session->largest;
  if (!outcome.complete && !(outcome.wrong_checksum && plan.trust_checksums)) {
    if (session->pass == 0 && session->row == 0) {
      return Corrupt(std::string("the PNG picture has no row that can be decoded: ") +
                     session->error);
    }
    decoded.notes.push_back(EarlyEndNote(*session));
  }
  for (size_t y = 0; !work.empty() && interlaced && y < session->height; ++y) {
    FlattenRow(&work[4 * session->width * y], info.width, backdrop,
               &decoded.image.pixels[3 * session->width * y]);
  }
  return outcome;
}

// A wrong checksum alone is no reason to leave pixels out: the reference does not look at it.
Result<PngOutcome> DecodeWhateverItsSums(Bytes file, const ImageInfo& info,
                                         const ImageOptions& options, PngPlan plan) {
  MCV_ASSIGN_OR_RETURN(PngOutcome outcome, DecodeOnce(file, info, options, plan));
  if (!outcome.wrong_checksum) return outcome;
  plan.trust_checksums = false;
  MCV_ASSIGN_OR_RETURN(outcome, DecodeOnce(file, info, options, plan));
  outcome.decoded.notes.push_back(
      "a checksum of the PNG picture is wrong: the file was damaged, and its pixels may be");
  return outcome;
}

// Cameras and microscopes write 12 bits into the low end of 16 and say so: by the letter of the
// standard that is nearly black.
bool IsCountedFromTheLowest(int bits, uint16_t largest) {
  return bits < 16 && largest > 0 && largest < uint32_t{1} << bits;
}

}  // namespace

Result<DecodedImage> DecodePng(Bytes file, const ImageInfo& info, const ImageOptions& options) {
  PngPlan plan;
  const bool sixteen = std::to_integer<int>(file[24]) == 16;
  const bool gray = std::to_integer<int>(file[25]) == PNG_COLOR_TYPE_GRAY;
  if (sixteen && gray && !options.alpha_over_white) plan.sixteen = Sixteen::kClip;
  MCV_ASSIGN_OR_RETURN(PngOutcome outcome, DecodeWhateverItsSums(file, info, options, plan));
  if (sixteen && options.alpha_over_white) {
    plan.sample_bits = PngSignificantBits(file);
    if (IsCountedFromTheLowest(plan.sample_bits, outcome.largest)) {
      plan.sixteen = Sixteen::kScale;
      outcome.decoded = {};  // its memory first
      MCV_ASSIGN_OR_RETURN(outcome, DecodeWhateverItsSums(file, info, options, plan));
    } else if (gray && outcome.largest <= kDarkestBright && outcome.largest > 0) {
      outcome.decoded.notes.push_back("the largest of its 16-bit samples is " +
                                      std::to_string(outcome.largest) +
                                      " of 65535: the picture is nearly black; make it brighter "
                                      "first if it should not be");
    }
  }
  if (FindPngChunk(file, "acTL").has_value()) {
    outcome.decoded.notes.push_back("this is an animated PNG: only its still picture is used");
  }
  return std::move(outcome.decoded);
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
