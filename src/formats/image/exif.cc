// TIFF layout: byte order mark, 42, offset of the first directory; a directory is a count and
// 12-byte entries (tag, type, count, value or offset). Only offsets inside the block are followed,
// and only the first directory is read, so there is nothing to loop on.

#include "formats/image/exif.h"

#include <cstdint>
#include <cstring>
#include <optional>

namespace mcv {
namespace {

class TiffReader {
 public:
  explicit TiffReader(std::span<const std::byte> tiff) : tiff_(tiff) {}

  // False if this is not a TIFF header. Sets the byte order.
  bool ReadByteOrder() {
    if (tiff_.size() < 8) return false;
    if (tiff_[0] != tiff_[1]) return false;
    big_endian_ = tiff_[0] == std::byte{'M'};
    return big_endian_ || tiff_[0] == std::byte{'I'};
  }
  std::optional<uint32_t> U16(uint64_t offset) const { return Read(offset, 2); }
  std::optional<uint32_t> U32(uint64_t offset) const { return Read(offset, 4); }

 private:
  std::optional<uint32_t> Read(uint64_t offset, uint64_t num_bytes) const {
    if (offset > tiff_.size() || tiff_.size() - offset < num_bytes) return std::nullopt;
    uint32_t value = 0;
    for (uint64_t i = 0; i < num_bytes; ++i) {
      const uint64_t at = big_endian_ ? offset + i : offset + num_bytes - 1 - i;
      value = value << 8 | std::to_integer<uint32_t>(tiff_[at]);
    }
    return value;
  }

  std::span<const std::byte> tiff_;
  bool big_endian_ = false;
};

constexpr uint32_t kTiffMagic = 42;
constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kTypeShort = 3;
constexpr uint32_t kTypeLong = 4;  // not what the standard says, but some writers do it
constexpr uint64_t kEntryBytes = 12;

}  // namespace

int ExifOrientation(std::span<const std::byte> exif) {
  constexpr char kPrefix[6] = {'E', 'x', 'i', 'f', 0, 0};
  if (exif.size() >= sizeof(kPrefix) && std::memcmp(exif.data(), kPrefix, sizeof(kPrefix)) == 0) {
    exif = exif.subspan(sizeof(kPrefix));
  }
  TiffReader tiff(exif);
  if (!tiff.ReadByteOrder() || tiff.U16(2) != kTiffMagic) return 1;
  const uint64_t directory = tiff.U32(4).value_or(0);
  const uint64_t num_entries = tiff.U16(directory).value_or(0);
  for (uint64_t i = 0; i < num_entries; ++i) {
    const uint64_t entry = directory + 2 + i * kEntryBytes;
    const auto tag = tiff.U16(entry);
    if (!tag) return 1;  // the directory claims more entries than the block has
    if (*tag != kOrientationTag) continue;
    const auto type = tiff.U16(entry + 2);
    if (tiff.U32(entry + 4) != 1u) return 1;
    const auto value = type == kTypeShort  ? tiff.U16(entry + 8)
                       : type == kTypeLong ? tiff.U32(entry + 8)
                                           : std::nullopt;
    return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
  }
  return 1;
}

}  // namespace mcv
