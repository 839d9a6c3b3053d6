// For tests: small GGUF files, whole and hand-broken.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf/gguf_file.h"
#include "formats/testing/bytes.h"

namespace mcv {

// Writes GGUF piece by piece without checking anything, so that tests can write what GgufWriter
// would refuse.
class RawGguf {
 public:
  RawGguf& Version(uint32_t version) {
    version_ = version;
    return *this;
  }
  RawGguf& ClaimTensors(uint64_t count) {
    claimed_tensors_ = count;
    return *this;
  }
  RawGguf& ClaimKeys(uint64_t count) {
    claimed_keys_ = count;
    return *this;
  }
  // The value is whatever `value` holds.
  RawGguf& Key(std::string_view name, uint32_t type, const BytesBuilder& value) {
    body_.Text(name).Put(type);
    Append(value);
    ++keys_;
    return *this;
  }
  // Bytes as they are, for what is not even a key.
  RawGguf& Raw(const BytesBuilder& bytes) {
    Append(bytes);
    return *this;
  }
  RawGguf& KeyU32(std::string_view name, uint32_t value) {
    return Key(name, 4, BytesBuilder().Put(value));
  }
  RawGguf& Tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                  uint64_t offset) {
    body_.Text(name).Put(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) body_.Put(dim);
    body_.Put(type).Put(offset);
    ++tensors_;
    return *this;
  }
  RawGguf& Data(size_t bytes) {
    data_bytes_ = bytes;
    return *this;
  }

  ByteVector Bytes() const {
    BytesBuilder out;
    out.Raw("GGUF").Put(version_);
    out.Put(claimed_tensors_ == kNotClaimed ? tensors_ : claimed_tensors_);
    out.Put(claimed_keys_ == kNotClaimed ? keys_ : claimed_keys_);
    for (const std::byte byte : body_.bytes()) out.Put(byte);
    return out.PadTo(32).Zeros(data_bytes_).bytes();
  }

 private:
  static constexpr uint64_t kNotClaimed = ~uint64_t{0};
  void Append(const BytesBuilder& more) {
    for (const std::byte byte : more.bytes()) body_.Put(byte);
  }

  uint32_t version_ = 3;
  uint64_t keys_ = 0;
  uint64_t tensors_ = 0;
  uint64_t claimed_keys_ = kNotClaimed;
  uint64_t claimed_tensors_ = kNotClaimed;
  size_t data_bytes_ = 0;
  BytesBuilder body_;
};

// Every key type, arrays of every kind, and tensors of several types in about 2 KB.
inline ByteVector SmallGguf() {
  RawGguf file;
  file.Key("k.u8", 0, BytesBuilder().Put<uint8_t>(200))
      .Key("k.i8", 1, BytesBuilder().Put<int8_t>(-5))
      .Key("k.u16", 2, BytesBuilder().Put<uint16_t>(60000))
      .Key("k.i16", 3, BytesBuilder().Put<int16_t>(-300))
      .KeyU32("k.u32", 4'000'000'000u)
      .Key("k.i32", 5, BytesBuilder().Put<int32_t>(-7))
      .Key("k.f32", 6, BytesBuilder().Put(1.5f))
      .Key("k.bool", 7, BytesBuilder().Put<uint8_t>(1))
      .Key("k.string", 8, BytesBuilder().Text("hello"))
      .Key("k.u64", 10, BytesBuilder().Put(~uint64_t{0}))
      .Key("k.i64", 11, BytesBuilder().Put(int64_t{-1} << 40))
      .Key("k.f64", 12, BytesBuilder().Put(0.1))
      .Key("k.strings", 9,
           BytesBuilder().Put<uint32_t>(8).Put<uint64_t>(3).Text("a").Text("").Text("bc"))
      .Key("k.i32s", 9,
           BytesBuilder().Put<uint32_t>(5).Put<uint64_t>(2).Put<int32_t>(-1).Put<int32_t>(9))
      .Key("k.f32s", 9, BytesBuilder().Put<uint32_t>(6).Put<uint64_t>(2).Put(0.25f).Put(-4.0f))
      .Key("k.u8s", 9, BytesBuilder().Put<uint32_t>(0).Put<uint64_t>(3).Raw("xyz"))
      .KeyU32("general.alignment", 32)
      .Tensor("t.f32", {3, 2}, 0, 0)
      .Tensor("t.q8", {32, 2}, 8, 32)
      .Tensor("t.q4k", {256}, 12, 128)
      .Tensor("t.f16", {2, 2, 2, 2}, 1, 288)
      .Data(320);
  return file.Bytes();
}

inline Result<GgufFile> OpenGguf(const ByteVector& bytes) { return GgufFile::Parse(bytes, "test"); }

}  // namespace mcv
