// Writes a file so that a reader sees the old contents or the whole new ones, never half of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace mcv {

// Writes to "<path>.partial-<pid>" beside the target; Commit() flushes, syncs and renames it into
// place. Without a Commit() the destructor removes what was written. The first error sticks: later
// calls return it. Errors name the path and the reason (full disk, no permission, missing folder).
// One thread at a time.
class FileWriter {
 public:
  static Result<FileWriter> Create(const std::string& path);

  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&& other) noexcept;
  ~FileWriter();

  Status Write(std::span<const std::byte> bytes);
  Status Write(std::string_view text);
  // Zero bytes up to the next multiple of alignment.
  Status PadTo(uint64_t alignment);
  uint64_t bytes_written() const { return bytes_written_; }
  Status Commit();

 private:
  FileWriter() = default;
  Status Flush();
  Status Fail(const std::string& what);
  void Discard();

  int fd_ = -1;
  std::string path_;
  std::string partial_path_;
  std::string buffer_;
  uint64_t bytes_written_ = 0;
  Status status_;
};

// The whole file in one call.
Status WriteFile(const std::string& path, std::string_view contents);

}  // namespace mcv
