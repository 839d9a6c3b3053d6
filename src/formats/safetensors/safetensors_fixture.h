// For tests: safetensors files, whole and hand-broken.
#pragma once

#include <string>
#include <string_view>

#include "formats/safetensors/safetensors_file.h"
#include "formats/testing/bytes.h"

namespace mcv {

// A file with this header text and so many bytes of data.
inline ByteVector RawSafetensors(std::string_view header, size_t data_bytes) {
  return BytesBuilder().Text(header).Zeros(data_bytes).bytes();
}

// One entry of a header.
inline std::string Entry(std::string_view name, std::string_view dtype, std::string_view shape,
                         std::string_view offsets) {
  std::string text = "\"";
  text.append(name).append("\":{\"dtype\":\"").append(dtype).append("\",\"shape\":[");
  text.append(shape).append("],\"data_offsets\":[").append(offsets).append("]}");
  return text;
}

inline ByteVector SmallSafetensors() {
  const std::string header =
      "{\"__metadata__\":{\"format\":\"pt\"}," + Entry("a.weight", "F32", "2,3", "0,24") + "," +
      Entry("b", "BF16", "4", "24,32") + "," + Entry("mask", "BOOL", "3", "32,35") + "," +
      Entry("scalar", "I8", "", "35,36") + "}  ";
  return RawSafetensors(header, 36);
}

inline Result<SafetensorsFile> OpenSafetensors(const ByteVector& bytes) {
  return SafetensorsFile::Parse(bytes, "test");
}

}  // namespace mcv
