// How much memory this process may still take, as the system tells it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace mcv {

struct MachineMemory {
  // Bytes that can be had without swapping (Linux's MemAvailable); pages of mapped files that are
  // in the file cache already count as available.
  std::optional<uint64_t> available;
  // The control group's limit (of version 2 or 1) that leaves the least, and what that group has in
  // use.
  std::optional<uint64_t> group_limit;
  uint64_t group_used = 0;
  // The piece in which large blocks of memory are given: that of huge pages where the system always
  // uses them, else a page.
  uint64_t page_bytes = 4096;

  // The least of what both allow; nothing if the system tells neither.
  std::optional<uint64_t> Room() const;
};

// `root` stands before /proc and /sys; for tests.
MachineMemory ReadMachineMemory(const std::string& root = "");

}  // namespace mcv
