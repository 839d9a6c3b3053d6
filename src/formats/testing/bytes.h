// For tests: making byte strings in the style of file formats, damaging them, and saying which
// error must come back.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mcv {

using ByteVector = std::vector<std::byte>;

// Little-endian numbers and text, one after the other.
class BytesBuilder {
 public:
  template <typename T>
  BytesBuilder& Put(T value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof(value));
    return *this;
  }
  BytesBuilder& Raw(std::string_view text) {
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    bytes_.insert(bytes_.end(), bytes, bytes + text.size());
    return *this;
  }
  // A length of 64 bits, then the text: a string in GGUF.
  BytesBuilder& Text(std::string_view text) { return Put<uint64_t>(text.size()).Raw(text); }
  BytesBuilder& Zeros(size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  BytesBuilder& PadTo(size_t alignment) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(std::byte{0});
    return *this;
  }
  const ByteVector& bytes() const { return bytes_; }

 private:
  ByteVector bytes_;
};

inline ByteVector Truncate(const ByteVector& bytes, size_t length) {
  // A fresh allocation of exactly this size: a sanitizer sees the first byte read past its end.
  return ByteVector(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
}

inline ByteVector WithByte(ByteVector bytes, size_t at, uint8_t value) {
  bytes[at] = static_cast<std::byte>(value);
  return bytes;
}

// Calls visit(damaged, what) for the byte at `at` with each single bit flipped, all zero and all
// one.
template <typename Visit>
void ForEachFlip(const ByteVector& bytes, size_t at, const Visit& visit) {
  const auto original = static_cast<uint8_t>(bytes[at]);
  std::vector<uint8_t> values = {0x00, 0xff};
  for (int bit = 0; bit < 8; ++bit) values.push_back(original ^ static_cast<uint8_t>(1 << bit));
  for (const uint8_t value : values) {
    if (value != original) visit(WithByte(bytes, at, value));
  }
}

template <typename T>
void ExpectError(const Result<T>& result, StatusCode code,
                 const std::vector<std::string>& substrings) {
  ASSERT_FALSE(result.ok()) << "expected an error, got a value";
  EXPECT_EQ(StatusCodeName(result.status().code()), std::string(StatusCodeName(code)))
      << result.status().message();
  for (const std::string& text : substrings) {
    EXPECT_THAT(result.status().message(), ::testing::HasSubstr(text));
  }
}

// A message may go to a terminal: it holds printable ASCII only.
inline void ExpectPrintable(const Status& status) {
  for (const char c : status.message()) ASSERT_TRUE(c >= 0x20 && c < 0x7f) << int{c};
}

// Whether `inner` lies inside `outer`; an empty range lies anywhere.
inline bool LiesInside(std::span<const std::byte> inner, std::span<const std::byte> outer) {
  return inner.empty() || (inner.data() >= outer.data() &&
                           inner.data() + inner.size() <= outer.data() + outer.size());
}
inline bool LiesInside(std::string_view inner, std::span<const std::byte> outer) {
  return LiesInside(std::as_bytes(std::span(inner)), outer);
}

}  // namespace mcv
