// The folder of a picture store and the files in it: who may read them, who may repair them, and
// what is moved out of the way.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/status.h"

namespace mcv {

std::string StoreFile(const std::string& folder);
// Where a file goes that stood in the store's place and was none.
std::string DamagedFile(const std::string& store_file);

// Makes what is missing of the path, open to its owner only.
Status MakeStoreFolder(const std::string& folder);
// Makes an empty file for its owner only if nothing is there. InvalidArgument if something else
// than a regular file is.
Status MakeStoreFile(const std::string& path);

bool IsThere(const std::string& path);
ino_t InodeOf(const std::string& path);  // 0 if nothing is there
// Of the file and of those that SQLite keeps beside it.
int64_t BytesOnDisk(const std::string& path);

// Nothing there is fine.
Status RemoveFile(const std::string& path);
// The file and those beside it.
Status RemoveStoreFiles(const std::string& path);
// The file gets another name in place of what has it; those beside it go.
Status RenameStoreFile(const std::string& path, const std::string& to);

// Held while a store is opened or repaired, so that two processes do not do it at once. The
// system lets go of it when its owner dies.
class FolderLock {
 public:
  // IoError if another process still holds it after wait_ms.
  static Result<FolderLock> Take(const std::string& folder, int wait_ms);
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;
  ~FolderLock();

 private:
  FolderLock() = default;
  int fd_ = -1;
};

}  // namespace mcv
