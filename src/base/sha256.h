// SHA-256 (FIPS 180-4): names pixel data in expected values, keys for what was computed from them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace mcv {

class Sha256 {
 public:
  void Update(std::span<const std::byte> bytes);
  // The digest of everything so far. The object is spent afterwards.
  std::array<uint8_t, 32> Finish();

 private:
  void Compress(const uint8_t* block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> pending_ = {};
  size_t num_pending_ = 0;
  uint64_t num_bytes_ = 0;
};

// Two lower-case digits for each byte.
std::string HexDigits(std::span<const uint8_t> bytes);

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::span<const std::byte> bytes);
inline std::string Sha256Hex(std::span<const uint8_t> bytes) {
  return Sha256Hex(std::as_bytes(bytes));
}

}  // namespace mcv
