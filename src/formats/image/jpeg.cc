// JPEG through libjpeg-turbo with its defaults (accurate integer DCT, smooth chroma upsampling), so
// that pixels equal those of the reference's decoder, which is the same library.
//
// The library reports fatal errors by a call that must not return. It leaves by longjmp, so each
// function that contains a setjmp, and everything the library may abandon under it, has only plain
// data: what lives longer is in Session, owned by the caller.

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string>

// jpeglib.h needs <cstdio> before it.
#include <jerror.h>
#include <jpeglib.h>

#include "formats/image/decoders.h"
#include "formats/image/exif.h"

namespace mcv::image_internal {
namespace {

// Real progressive files have about ten scans. Each one visits the whole picture however few bytes
// it has, so a small file with thousands of them would run for hours.
constexpr int kMaxScans = 100;

struct Session {
  const JOCTET* data;  // the file's
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  jmp_buf jump;
  char error[JMSG_LENGTH_MAX];
  int error_code;
  char first_warning[JMSG_LENGTH_MAX];
  bool warned;
  bool ended;                // the library made an end up where the file has none
  uint32_t components_seen;  // a bit for each that a scan brought
  JDIMENSION rows_before_warning;
  int scan_of_warning;
  bool too_many_scans;
};

Session* Of(j_common_ptr jpeg) { return static_cast<Session*>(jpeg->client_data); }

[[noreturn]] void OnError(j_common_ptr jpeg) {
  Session* session = Of(jpeg);
  session->error_code = jpeg->err->msg_code;
  (*jpeg->err->format_message)(jpeg, session->error);
  std::longjmp(session->jump, 1);
}

// Bytes that the library skipped to the next marker: between headers they change nothing, and zeros
// or filling after a scan neither. Others there are what a scan should have taken.
bool SkippedIsHarmless(const jpeg_decompress_struct& jpeg) {
  if (jpeg.input_scan_number == 0) return true;
  const auto* data =
      Of(reinterpret_cast<j_common_ptr>(const_cast<jpeg_decompress_struct*>(&jpeg)))->data;
  const JOCTET* end = jpeg.src->next_input_byte;
  const auto count = static_cast<ptrdiff_t>(jpeg.err->msg_parm.i[0]);
  if (count <= 1 || count > end - data) return false;
  return std::all_of(end - count, end - 1, [](JOCTET byte) { return byte == 0 || byte == 0xff; });
}

// level -1: damaged data that was worked around. Other levels are chatter.
void OnMessage(j_common_ptr jpeg, int level) {
  Session* session = Of(jpeg);
  if (level >= 0 || session->warned) return;
  const int code = jpeg->err->msg_code;
  if (code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;  // odd headers, sound pixels
  if (code == JWRN_EXTRANEOUS_DATA && SkippedIsHarmless(session->jpeg)) return;
  // A mark that is missing at the end is no loss; if data is missing too, that is told next.
  if (code == JWRN_JPEG_EOF) {
    session->ended = true;
    return;
  }
  session->warned = true;
  session->rows_before_warning = session->jpeg.output_scanline;
  session->scan_of_warning = session->jpeg.input_scan_number;
  (*jpeg->err->format_message)(jpeg, session->first_warning);
}

void OnProgress(j_common_ptr jpeg) {
  Session* session = Of(jpeg);
  for (int i = 0; i < session->jpeg.comps_in_scan; ++i) {
    session->components_seen |= uint32_t{1} << session->jpeg.cur_comp_info[i]->component_index;
  }
  if (session->jpeg.input_scan_number <= kMaxScans) return;
  session->too_many_scans = true;
  std::longjmp(session->jump, 1);
}

void Prepare(Session* session) {
  std::memset(session, 0, sizeof(*session));
  session->jpeg.err = jpeg_std_error(&session->errors);
  session->errors.error_exit = OnError;
  session->errors.emit_message = OnMessage;
  session->progress.progress_monitor = OnProgress;
  session->jpeg.client_data = session;
}

// Destroys what the library made, whatever state it was left in.
class SessionOwner {
 public:
  SessionOwner() { Prepare(&session_); }
  ~SessionOwner() { jpeg_destroy_decompress(&session_.jpeg); }
  SessionOwner(const SessionOwner&) = delete;
  SessionOwner& operator=(const SessionOwner&) = delete;
  Session* get() { return &session_; }

 private:
  Session session_;
};

bool ReadHeader(Session* session, const unsigned char* data, size_t size) {
  if (setjmp(session->jump) != 0) return false;
  session->data = data;
  jpeg_create_decompress(&session->jpeg);  // clears all but err and client_data
  session->jpeg.progress = &session->progress;
  jpeg_mem_src(&session->jpeg, data, size);
  jpeg_save_markers(&session->jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&session->jpeg, TRUE);
  return true;
}

uint8_t MultiplyBytes(uint32_t a, uint32_t b) {
  const uint32_t product = a * b + 128;
  return static_cast<uint8_t>(((product >> 8) + product) >> 8);  // product / 255, rounded
}

// Stored CMYK is inverted in every file that a camera or Adobe's programs wrote, and the reference
// takes all files so: 255 is no ink.
void CmykToRgbRow(const uint8_t* cmyk, JDIMENSION width, uint8_t* rgb) {
  for (JDIMENSION x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) rgb[c] = MultiplyBytes(cmyk[c], cmyk[3]);
  }
}

// Rows go to rgb, width * 3 bytes each; cmyk_row has width * 4 bytes, or is null for other
// pictures.
bool ReadPixels(Session* session, uint8_t* rgb, uint8_t* cmyk_row) {
  if (setjmp(session->jump) != 0) return false;
  jpeg_decompress_struct* jpeg = &session->jpeg;
  jpeg->out_color_space = cmyk_row != nullptr ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(jpeg);
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t* to = rgb + size_t{3} * jpeg->output_width * jpeg->output_scanline;
    JSAMPROW row = cmyk_row != nullptr ? cmyk_row : to;
    jpeg_read_scanlines(jpeg, &row, 1);
    if (cmyk_row != nullptr) CmykToRgbRow(cmyk_row, jpeg->output_width, to);
  }
  // Only markers follow; damage there changes no pixel.
  return true;
}

Status ErrorOf(const Session& session) {
  if (session.too_many_scans) {
    return ResourceExhausted("the JPEG picture has more than " + std::to_string(kMaxScans) +
                             " scans");
  }
  const std::string why = std::string("the JPEG picture cannot be decoded: ") + session.error;
  switch (session.error_code) {
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_COMPONENT_COUNT:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_IMAGE_TOO_BIG:
      return Unsupported(why);
    case JERR_OUT_OF_MEMORY:
      return ResourceExhausted(why);
    default:
      return Corrupt(why);
  }
}

int OrientationOf(const Session& session) {
  for (const jpeg_marker_struct* marker = session.jpeg.marker_list; marker != nullptr;
       marker = marker->next) {
    const auto data = std::as_bytes(std::span(marker->data, marker->data_length));
    // APP1 is shared with XMP; only the block that says so is EXIF.
    if (data.size() >= 6 && std::memcmp(data.data(), "Exif\0\0", 6) == 0) {
      return ExifOrientation(data);
    }
  }
  return 1;
}

Result<ImageInfo> InfoOf(const Session& session) {
  const jpeg_decompress_struct& jpeg = session.jpeg;
  if (jpeg.num_components != 1 && jpeg.num_components != 3 && jpeg.num_components != 4) {
    return Unsupported("the JPEG picture has " + std::to_string(jpeg.num_components) +
                       " colour components; gray (1), colour (3) and CMYK (4) are accepted");
  }
  ImageInfo info;
  info.format = "JPEG";
  info.width = static_cast<int>(jpeg.image_width);
  info.height = static_cast<int>(jpeg.image_height);
  info.channels = jpeg.num_components;
  info.orientation = OrientationOf(session);
  return info;
}

// A file that ends between two scans: every scan that is there is whole, and some are not there.
bool LacksScans(const Session& session) {
  const jpeg_decompress_struct& jpeg = session.jpeg;
  if (!session.ended) return false;
  for (int c = 0; c < jpeg.num_components; ++c) {
    if ((session.components_seen >> c & 1) == 0) return true;
    if (!jpeg.progressive_mode || jpeg.coef_bits == nullptr) continue;
    for (int i = 0; i < DCTSIZE2; ++i) {
      if (jpeg.coef_bits[c][i] != 0) return true;
    }
  }
  return false;
}

std::string DamageNote(const Session& session, bool complete) {
  const char* cause = session.ended    ? "the file ends early"
                      : session.warned ? session.first_warning
                                       : session.error;
  const std::string why = std::string(" (") + cause + ")";
  if (!session.warned && complete) {
    return "the JPEG file ends early, after scan " +
           std::to_string(session.jpeg.input_scan_number) + ": the picture is coarse";
  }
  if (session.warned && session.scan_of_warning > 1) {
    return "the JPEG data is damaged or ends early in scan " +
           std::to_string(session.scan_of_warning) + why + "; the picture may be coarse or wrong";
  }
  const JDIMENSION row =
      session.warned ? session.rows_before_warning : session.jpeg.output_scanline;
  return "the JPEG data is damaged or ends early near row " + std::to_string(row) + " of " +
         std::to_string(session.jpeg.image_height) + why +
         (complete ? "; what follows may be gray or wrong" : "; the rest is gray");
}

bool ReadHeader(Session* session, Bytes file) {
  return ReadHeader(session, reinterpret_cast<const unsigned char*>(file.data()), file.size());
}

}  // namespace

Result<ImageInfo> ReadJpegInfo(Bytes file) {
  SessionOwner owner;
  if (!ReadHeader(owner.get(), file)) return ErrorOf(*owner.get());
  return InfoOf(*owner.get());
}

Result<DecodedImage> DecodeJpeg(Bytes file, const ImageInfo& info) {
  SessionOwner owner;
  Session* session = owner.get();
  if (!ReadHeader(session, file)) return ErrorOf(*session);
  DecodedImage decoded;
  MCV_ASSIGN_OR_RETURN(decoded.image, NewImage(info.width, info.height, kMissing));
  std::vector<uint8_t> cmyk_row;
  if (info.channels == 4) {
    MCV_ASSIGN_OR_RETURN(cmyk_row, NewBuffer(uint64_t{4} * static_cast<uint64_t>(info.width), 0));
  }
  const bool complete = ReadPixels(session, decoded.image.pixels.data(),
                                   cmyk_row.empty() ? nullptr : cmyk_row.data());
  if (!complete && (session->too_many_scans || session->jpeg.output_scanline == 0)) {
    return ErrorOf(*session);
  }
  if (!complete || session->warned || LacksScans(*session))
    decoded.notes.push_back(DamageNote(*session, complete));
  return decoded;
}

}  // namespace mcv::image_internal
