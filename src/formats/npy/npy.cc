// Layout: "\x93NUMPY", version (2 bytes), header length (2 bytes, or 4 from version 2 on), a Python
// dictionary as text, then the elements:
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
#include "formats/npy/npy.h"

#include <cstring>
#include <optional>
#include <string_view>

#include "base/checked.h"
#include "base/mapped_file.h"
#include "formats/printable.h"

namespace mcv {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kMaxDims = 32;  // NumPy's own limit

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Frame {
  std::string_view header;
  std::span<const std::byte> data;
};

// Splits the file into its header text and its elements.
Result<Frame> SplitFrame(std::span<const std::byte> bytes) {
  if (bytes.size() < 10 || AsText(bytes.first(6)) != kMagic) {
    return Corrupt("is not a .npy file: expected it to begin with '\\x93NUMPY'");
  }
  const auto major = static_cast<uint8_t>(bytes[6]);
  if (major < 1 || major > 3) {
    return Unsupported("is .npy version " + std::to_string(major) + "; 1 to 3 are read");
  }
  const size_t length_bytes = major == 1 ? 2 : 4;
  uint32_t length = 0;
  if (bytes.size() < 8 + length_bytes) return Corrupt("ends inside its header");
  std::memcpy(&length, bytes.data() + 8, length_bytes);
  const auto rest = bytes.subspan(8 + length_bytes);
  if (length > rest.size()) {
    return Corrupt("claims a header of " + std::to_string(length) + " bytes, but only " +
                   std::to_string(rest.size()) + " follow");
  }
  return Frame{AsText(rest.first(length)), rest.subspan(length)};
}

// The text after `'key':` and spaces, or nothing.
std::optional<std::string_view> ValueOf(std::string_view header, std::string_view key) {
  const std::string quoted = "'" + std::string(key) + "':";
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view value = header.substr(at + quoted.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return value;
}

// "(3, 4)", "(5,)" or "()" at the beginning of text.
std::optional<std::vector<uint64_t>> ParseShape(std::string_view text) {
  const size_t close = text.find(')');
  if (!text.starts_with('(') || close == std::string_view::npos) return std::nullopt;
  text = text.substr(1, close - 1);
  std::vector<uint64_t> shape;
  std::optional<uint64_t> number;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      const auto tenfold = CheckedMul<uint64_t>(number.value_or(0), 10);
      number = tenfold ? CheckedAdd<uint64_t>(*tenfold, c - '0') : std::nullopt;
      if (!number) return std::nullopt;
    } else if (c == ',' && number && shape.size() < kMaxDims) {
      shape.push_back(*number);
      number.reset();
    } else if (c != ' ') {
      return std::nullopt;
    }
  }
  if (number) shape.push_back(*number);
  return shape;
}

Result<NpyArray> ParseFrame(const Frame& frame) {
  const auto descr = ValueOf(frame.header, "descr");
  const auto order = ValueOf(frame.header, "fortran_order");
  const auto shape_text = ValueOf(frame.header, "shape");
  if (!descr || !order || !shape_text) {
    return Corrupt("its header lacks 'descr', 'fortran_order' or 'shape': " +
                   Printable(frame.header));
  }
  if (!descr->starts_with("'<f4'")) {
    return Unsupported("expected dtype '<f4', got " + Printable(descr->substr(0, 12)));
  }
  if (!order->starts_with("False")) return Unsupported("expected C order (fortran_order False)");
  const auto shape = ParseShape(*shape_text);
  if (!shape) return Corrupt("its shape is not readable: " + Printable(*shape_text, 32));
  uint64_t bytes = sizeof(float);
  for (const uint64_t dim : *shape) {
    if (__builtin_mul_overflow(bytes, dim, &bytes)) return Corrupt("its shape is absurdly large");
  }
  if (bytes != frame.data.size()) {
    return Corrupt("its shape needs " + std::to_string(bytes) + " bytes of elements, got " +
                   std::to_string(frame.data.size()));
  }
  NpyArray array{*shape, std::vector<float>(bytes / sizeof(float))};
  if (bytes != 0) std::memcpy(array.values.data(), frame.data.data(), bytes);
  return array;
}

}  // namespace

Result<NpyArray> ParseNpy(std::span<const std::byte> bytes, const std::string& name) {
  const auto frame = SplitFrame(bytes);
  if (!frame.ok()) return frame.status().Annotate(name);
  auto array = ParseFrame(*frame);
  if (!array.ok()) return array.status().Annotate(name);
  return array;
}

Result<NpyArray> ReadNpy(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return ParseNpy(file.data(), path);
}

}  // namespace mcv
