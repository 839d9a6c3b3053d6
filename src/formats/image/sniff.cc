#include "formats/image/sniff.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "formats/lfs_pointer.h"

namespace mcv {
namespace {

using namespace std::string_view_literals;

struct Signature {
  size_t offset;
  std::string_view bytes;
  std::string_view name;
};

// Its signature was made to notice this: line ends of both kinds, a byte above ASCII.
constexpr std::string_view kTextModePng =
    "a PNG picture that was damaged on its way here: it was transferred as text; copy it again in "
    "binary mode"sv;

// Longer and rarer signatures before shorter ones.
constexpr Signature kSignatures[] = {
    {0, "GIF87a"sv, "a GIF picture"},
    {0, "GIF89a"sv, "a GIF picture"},
    {0, "II*\0"sv, "a TIFF picture"},
    {0, "MM\0*"sv, "a TIFF picture"},
    {0, "II+\0"sv, "a BigTIFF picture"},
    {0, "MM\0+"sv, "a BigTIFF picture"},
    {0, "\0\0\0\x0cJXL "sv, "a JPEG XL picture"},
    {0, "\xff\x0a"sv, "a JPEG XL picture"},
    {0, "\0\0\0\x0cjP  "sv, "a JPEG 2000 picture"},
    {0, "\xff\x4f\xff\x51"sv, "a JPEG 2000 picture"},
    {4, "ftypavif"sv, "an AVIF picture"},
    {4, "ftypavis"sv, "an AVIF animation"},
    {4, "ftyphei"sv, "a HEIC picture"},
    {4, "ftyphev"sv, "a HEIC picture"},
    {4, "ftypmif1"sv, "a HEIF picture"},
    {4, "ftypmsf1"sv, "a HEIF picture"},
    {4, "ftyp"sv, "an MP4 or QuickTime video"},
    {0, "\x89PNG\n"sv, kTextModePng},
    {0, "\x89PNG\r\r"sv, kTextModePng},
    {0, "\x89PNG\r\n\n"sv, kTextModePng},
    {0, "\x89PNG\r\n\x1a\r"sv, kTextModePng},
    {0, "\x09PNG\r\n"sv, kTextModePng},
    {0, "\xc2\x89PNG"sv, kTextModePng},
    {0, "\xef\xbf\xbdPNG"sv, kTextModePng},
    {0, "8BPS"sv, "a Photoshop picture"},
    {0, "\x76\x2f\x31\x01"sv, "an OpenEXR picture"},
    {0, "qoif"sv, "a QOI picture"},
    {0, "DDS "sv, "a DDS texture"},
    {0, "gimp xcf"sv, "a GIMP picture"},
    {0, "%PDF-"sv, "a PDF document"},
    {0, "%!PS"sv, "a PostScript document"},
    {0, "\x1a\x45\xdf\xa3"sv, "a Matroska or WebM video"},
    {0, "GGUF"sv, "a GGUF model file"},
    {0, "PK\3\4"sv, "a ZIP archive or an office document"},
    {0, "\x1f\x8b"sv, "a gzip archive"},
    {0, "BZh"sv, "a bzip2 archive"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "an xz archive"},
    {0, "\x28\xb5\x2f\xfd"sv, "a Zstandard archive"},
    {0,
     "\x7f"
     "ELF"sv,
     "a program (ELF)"},
    {8, "WAVE"sv, "a WAV recording"},
    {8, "AVI "sv, "an AVI video"},
};

constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n"sv;

bool HasAt(std::string_view file, size_t offset, std::string_view bytes) {
  return file.size() >= offset && file.substr(offset).starts_with(bytes);
}

// "BM" begins many words; the size of the following header tells a bitmap from a text.
bool IsBmp(std::string_view file) {
  constexpr std::array<unsigned char, 7> kHeaderSizes = {12, 40, 52, 56, 64, 108, 124};
  if (!file.starts_with("BM") || file.size() < 18) return false;
  const auto size = static_cast<unsigned char>(file[14]);
  return std::ranges::find(kHeaderSizes, size) != kHeaderSizes.end() && file[15] == 0;
}

unsigned ByteAt(std::string_view file, size_t at) { return static_cast<unsigned char>(file[at]); }
unsigned ShortAt(std::string_view file, size_t at) {
  return ByteAt(file, at) | ByteAt(file, at + 1) << 8;
}

// TGA has no signature: a header whose every number is one that the format knows, or the mark at
// the end of newer files.
bool IsTga(std::string_view file) {
  if (file.ends_with("TRUEVISION-XFILE.\0"sv)) return true;
  if (file.size() < 18) return false;
  const unsigned map = ByteAt(file, 1);
  const unsigned kind = ByteAt(file, 2) & ~8u;  // 8: run-length coded
  const unsigned bits = ByteAt(file, 16);
  const bool mapped = kind == 1;
  if (ByteAt(file, 2) > 11 || kind < 1 || kind > 3 || map > 1 || (mapped && map == 0)) return false;
  if (map == 0 && file.substr(3, 5) != "\0\0\0\0\0"sv) return false;
  const bool depth = bits == 8 || bits == 15 || bits == 16 || bits == 24 || bits == 32;
  return depth && ShortAt(file, 12) > 0 && ShortAt(file, 14) > 0 && (ByteAt(file, 17) & 0xc0) == 0;
}

// A count of pictures, then an entry for each with a byte that is 0.
bool IsIconOrCursor(std::string_view file, char kind) {
  return file.size() >= 10 && file.starts_with("\0\0"sv) && file[2] == kind && file[3] == 0 &&
         ShortAt(file, 4) > 0 && file[9] == 0;
}

bool IsNetpbm(std::string_view file) {
  return file.size() >= 3 && file[0] == 'P' && file[1] >= '1' && file[1] <= '7' &&
         (file[2] == '\n' || file[2] == ' ' || file[2] == '\r' || file[2] == '\t');
}

// Text in any encoding that keeps ASCII: no control character but blanks, and not only bytes above
// ASCII.
bool IsText(std::string_view head) {
  size_t ascii = 0;
  for (char c : head) {
    const auto byte = static_cast<unsigned char>(c);
    const bool blank = byte == '\t' || byte == '\n' || byte == '\r' || byte == '\f';
    if ((byte < 0x20 && !blank) || byte == 0x7f) return false;
    ascii += byte < 0x80;
  }
  return ascii * 4 >= head.size();
}

std::string_view TextName(std::string_view head) {
  constexpr std::string_view kBlanks = "\xef\xbb\xbf \t\r\n"sv;
  std::string lower(head.substr(std::min(head.find_first_not_of(kBlanks), head.size())));
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (lower.starts_with("<svg")) return "an SVG drawing";
  if (lower.starts_with("<?xml") || lower.starts_with("<!--")) {
    return lower.find("<svg") != std::string::npos ? "an SVG drawing" : "an XML file";
  }
  if (lower.starts_with("<!doctype html") || lower.starts_with("<html")) return "a web page (HTML)";
  return "a text file";
}

std::string HexOf(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (!hex.empty()) hex += ' ';
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace

Sniffed SniffPicture(std::span<const std::byte> bytes) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (file.empty()) return {PictureKind::kNotAccepted, "an empty file"};
  // A file cut inside the signature is still meant as that picture: the decoder says what is
  // missing.
  const auto begins = [file](std::string_view signature) {
    return file.size() >= 2 && file.substr(0, signature.size()) == signature.substr(0, file.size());
  };
  if (begins("\xff\xd8\xff"sv)) return {PictureKind::kJpeg, "a JPEG picture"};
  if (begins(kPng)) return {PictureKind::kPng, "a PNG picture"};
  if (HasAt(file, 0, "RIFF") && (HasAt(file, 8, "WEBP") || file.size() < 12)) {
    return {PictureKind::kWebp, "a WebP picture"};
  }
  for (const Signature& signature : kSignatures) {
    if (HasAt(file, signature.offset, signature.bytes)) {
      return {PictureKind::kNotAccepted, std::string(signature.name)};
    }
  }
  if (IsTga(file)) return {PictureKind::kNotAccepted, "a TGA picture"};
  if (IsIconOrCursor(file, 1)) return {PictureKind::kNotAccepted, "an icon (ICO)"};
  if (IsIconOrCursor(file, 2)) return {PictureKind::kNotAccepted, "a cursor (CUR)"};
  if (IsBmp(file)) return {PictureKind::kNotAccepted, "a BMP picture"};
  if (IsNetpbm(file)) return {PictureKind::kNotAccepted, "a Netpbm picture"};
  const std::string_view head = file.substr(0, 1024);
  if (IsLfsPointer(bytes)) return {PictureKind::kNotAccepted, LfsPointerText("picture")};
  if (IsText(head)) return {PictureKind::kNotAccepted, std::string(TextName(head))};
  return {PictureKind::kNotAccepted,
          "a file of an unknown kind (it begins with the bytes " + HexOf(file.substr(0, 8)) + ")"};
}

std::string_view HowToConvert(std::string_view name) {
  struct Way {
    std::string_view part;  // of the name
    std::string_view command;
  };
  constexpr Way kWays[] = {
      {"HEI", "; to convert it: heif-convert FILE picture.jpg"},
      {"AVIF", "; to convert it: heif-convert FILE picture.png"},
      {"JPEG XL", "; to convert it: djxl FILE picture.png"},
      {"SVG", "; to convert it: rsvg-convert FILE -o picture.png"},
      {"PDF", "; to convert its first page: pdftoppm -png -r 150 -f 1 -l 1 FILE page"},
      {"video", "; to take a frame: ffmpeg -i FILE -frames:v 1 picture.png"},
      {"animation", "; to take a frame: ffmpeg -i FILE -frames:v 1 picture.png"},
      {"a GIF", "; to convert its first frame: magick 'FILE[0]' picture.png"},
      {"picture", "; to convert it: magick FILE picture.png"},
      {"(ICO)", "; to convert it: magick FILE picture.png"},
  };
  for (const Way& way : kWays) {
    if (name.find(way.part) != std::string_view::npos) return way.command;
  }
  return "";
}

}  // namespace mcv
