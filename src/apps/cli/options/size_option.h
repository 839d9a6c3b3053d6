// Sizes of memory as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace mcv::cli {

// Bytes that an option takes.
struct SizeBounds {
  int64_t least = 1;
  int64_t most = 9'000'000'000'000'000'000;  // more than any machine has, and below 2^63
};

// Bytes of "4G", "512M", "4.5GiB", "800 MB" or "123456": a bare letter and KiB, MiB, ... count in
// powers of 1024, KB, MB, ... in powers of 1000; upper and lower case are the same.
// InvalidArgument names what came and what is expected.
Result<int64_t> ParseSize(std::string_view text, const SizeBounds& bounds = {});

// What CLI11 calls to check such an option: "" or the complaint.
std::string CheckSize(const std::string& text, const SizeBounds& bounds = {});

}  // namespace mcv::cli
