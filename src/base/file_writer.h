// Writes a file so that a reader sees the old contents or the whole new ones, never half of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace mcv {

// Who may read a file that was not there before. One that is replaced keeps its rights.
enum class FileReaders : uint8_t {
  kAnyone,  // as far as the process's umask allows
  kOwner,   // conversations, for instance
};

// Writes to "<path>.partial-<pid>-<number>" beside the target, a file that nobody else has open;
// Commit() flushes, syncs and renames it into place. Without a Commit() the destructor removes what
// was written. Any number of writers of one path, in threads and processes, keep apart: the last
// Commit() wins. What a writer left behind that was killed, the next one for the same path removes.
// A path that is a symbolic link stays one: the file that it leads to is written.
//
// The first error sticks: later calls return it. Errors name the path and the reason (full disk, no
// permission, missing folder). One thread at a time.
class FileWriter {
 public:
  static Result<FileWriter> Create(const std::string& path,
                                   FileReaders readers = FileReaders::kAnyone);

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
  Status OpenPartial(FileReaders readers);
  Status Flush();
  Status Fail(const std::string& what);
  void Discard();

  int fd_ = -1;
  std::string path_;          // as given, for messages
  std::string target_;        // where a symbolic link leads
  std::string partial_path_;  // empty: nothing to remove
  std::string buffer_;
  uint64_t bytes_written_ = 0;
  Status status_;
};

// The whole file in one call.
Status WriteFile(const std::string& path, std::string_view contents,
                 FileReaders readers = FileReaders::kAnyone);

}  // namespace mcv
