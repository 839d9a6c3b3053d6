#include "formats/image/png_chunks.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "formats/image/exif.h"

namespace mcv::image_internal {
namespace {

using namespace std::string_view_literals;

// Of a text's digits; the orientation stands in the first directory, near the beginning.
constexpr size_t kMostProfileText = size_t{256} << 10;

// Calls visit(type, payload) for every whole chunk until it says true.
template <typename Visit>
void ForEachChunk(Bytes file, Visit visit) {
  size_t at = kPngSignatureBytes;
  while (file.size() > at && file.size() - at >= 12) {
    const uint64_t length = PngNumber(file, at);
    if (file.size() - at - 12 < length) break;
    const auto* type = reinterpret_cast<const char*>(&file[at + 4]);
    if (visit(std::string_view(type, 4), file.subspan(at + 8, length))) break;
    at += 12 + length;
  }
}

// As much of a zlib stream as is asked for; what is damaged ends it.
std::string Inflated(std::string_view data, size_t most) {
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK) return {};
  std::string text(most, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(std::min<size_t>(data.size(), UINT32_MAX));
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  inflate(&stream, Z_SYNC_FLUSH);
  text.resize(text.size() - stream.avail_out);
  inflateEnd(&stream);
  return text;
}

// The text of a chunk tEXt, zTXt or iTXt with one of the keywords; empty for all else.
std::string ProfileText(std::string_view type, Bytes payload) {
  std::string_view rest(reinterpret_cast<const char*>(payload.data()), payload.size());
  bool found = false;
  for (const std::string_view keyword :
       {"Raw profile type exif\0"sv, "Raw profile type APP1\0"sv}) {
    if (!rest.starts_with(keyword)) continue;
    rest.remove_prefix(keyword.size());
    found = true;
    break;
  }
  if (!found) return {};
  if (type == "tEXt") return std::string(rest.substr(0, kMostProfileText));
  if (type == "zTXt" && !rest.empty()) return Inflated(rest.substr(1), kMostProfileText);
  if (type != "iTXt" || rest.size() < 2) return {};
  const bool compressed = rest[0] == 1;  // flag, method, language, keyword in that language
  rest.remove_prefix(2);
  for (int i = 0; i < 2; ++i) rest.remove_prefix(std::min(rest.find('\0'), rest.size() - 1) + 1);
  return compressed ? Inflated(rest, kMostProfileText)
                    : std::string(rest.substr(0, kMostProfileText));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "\nexif\n      38\n457869..." : a name, a length, then hexadecimal digits in lines.
std::vector<std::byte> ProfileBytes(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  std::vector<std::byte> bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = HexDigit(c);
    if (digit < 0) continue;  // line ends
    if (high >= 0) bytes.push_back(static_cast<std::byte>(high << 4 | digit));
    high = high >= 0 ? -1 : digit;
  }
  return bytes;
}

}  // namespace

uint32_t PngNumber(Bytes file, size_t at) {
  return std::to_integer<uint32_t>(file[at]) << 24 | std::to_integer<uint32_t>(file[at + 1]) << 16 |
         std::to_integer<uint32_t>(file[at + 2]) << 8 | std::to_integer<uint32_t>(file[at + 3]);
}

std::optional<Bytes> FindPngChunk(Bytes file, const char* type) {
  std::optional<Bytes> found;
  ForEachChunk(file, [&](std::string_view its_type, Bytes payload) {
    if (its_type != type) return false;
    found = payload;
    return true;
  });
  return found;
}

int PngOrientation(Bytes file) {
  if (const auto exif = FindPngChunk(file, "eXIf")) return ExifOrientation(*exif);
  int orientation = 1;
  ForEachChunk(file, [&](std::string_view type, Bytes payload) {
    const std::string text = ProfileText(type, payload);
    if (text.empty()) return false;
    orientation = ExifOrientation(ProfileBytes(text));
    return orientation != 1;
  });
  return orientation;
}

int PngSignificantBits(Bytes file) {
  const Bytes bits = FindPngChunk(file, "sBIT").value_or(Bytes());
  int most = 0;
  for (const std::byte b : bits.first(std::min<size_t>(bits.size(), 3))) {
    most = std::max(most, std::to_integer<int>(b));
  }
  return most >= 1 && most <= 16 ? most : 16;
}

}  // namespace mcv::image_internal
