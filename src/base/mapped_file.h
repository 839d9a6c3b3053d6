// Read-only mapped files: weights stay in the file's own pages and are never copied, unless asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/mapping_guard.h"
#include "base/status.h"

namespace mcv {

// Which file this is and when it last changed, as the system saw it when the file was opened.
struct FileIdentity {
  uint64_t inode = 0;
  uint64_t bytes = 0;
  int64_t modified_ns = 0;  // since 1970: its contents
  int64_t changed_ns = 0;   // its contents, name, owner or rights; programs cannot set it back
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// Owns one read-only mapping. Moveable; spans into data() live as long as the object.
class MappedFile {
 public:
  // Maps the whole regular file. Errors name the path and the reason (missing, a folder, no
  // permission, empty). The size is taken from the open descriptor, so the mapping never extends
  // past the end. Asks for large pages: kernel and file system may have what they read from now on
  // in pieces of 2 MB. A file that the system does not map (a file system without shared mappings)
  // is read into memory at once, if there is room for it, and read_because() says why.
  static Result<MappedFile> Open(const std::string& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> data() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  const FileIdentity& identity() const { return identity_; }

  // Reads the whole file into memory of this process's own, at the same address: views of data()
  // stay valid and show the same bytes. Nobody may read meanwhile; after an error the contents are
  // gone.
  //   Corrupt            the file is not the one any more that was opened
  //   ResourceExhausted  the system has no memory for it
  Status ReadIntoMemory();
  // Such pages are not the file's: the hints below would lose them.
  bool in_memory() const { return in_memory_; }
  // Why Open read the file instead of mapping it; empty if it did not.
  const std::string& read_because() const { return read_because_; }

  // Somebody else may shorten a mapped file, write to it, or take its disk away. What is gone reads
  // as zeros (mapping_guard.h); results computed from it are worth nothing.
  // One load: bytes that were read have been missing.
  bool damaged() const { return guard_.damaged(); }
  // Also asks the system whether the file changed its length or was written to since it was opened:
  // Corrupt, naming the file. A file that was replaced (renamed over, removed) is still there as
  // long as it is mapped, and is OK.
  Status CheckIntact() const;

  // Hints for the kernel on parts of any mapping; they change residency, never contents.
  // Makes the range resident if all of it is in the file cache now, in one call instead of a fault
  // for every few pages. Does nothing where the system has no such call (Linux before 5.14).
  static void MapCached(std::span<const std::byte> range);
  // Asks for the range to be read into the file cache, and does not wait.
  static void WillNeed(std::span<const std::byte> range);
  // Gives the range's resident pages back; they come again from the file when touched.
  static void Drop(std::span<const std::byte> range);
  // How many of the pages that the range touches are in the file cache now. IoError if the system
  // does not say.
  struct CachedPages {
    size_t all = 0;
    size_t cached = 0;
  };
  static Result<CachedPages> CountCached(std::span<const std::byte> range);

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::string path_;
  FileIdentity identity_;
  bool in_memory_ = false;
  std::string read_because_;
  MappingGuard guard_;
};

// Reads a whole small file, refusing more than max_bytes before allocating.
Result<std::string> ReadFile(const std::string& path, size_t max_bytes);

}  // namespace mcv
