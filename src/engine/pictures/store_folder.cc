#include "engine/pictures/store_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

namespace mcv {
namespace {

constexpr const char* kBeside[] = {"-wal", "-shm", "-journal"};

Status SystemError(const std::string& path, const std::string& what) {
  const int error = errno;
  const std::string text = path + ": " + what + ": " + std::strerror(error);
  return error == ENOSPC || error == EDQUOT ? ResourceExhausted(text) : IoError(text);
}

}  // namespace

std::string StoreFile(const std::string& folder) { return folder + "/pictures.sqlite"; }

std::string DamagedFile(const std::string& store_file) { return store_file + ".damaged"; }

Status MakeStoreFolder(const std::string& folder) {
  for (size_t end = folder.find('/', 1);; end = folder.find('/', end + 1)) {
    const std::string part = folder.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      const int error = errno;
      // A folder that is there and closed, or on a file system that is read-only, says so too.
      struct stat info {};
      if (::stat(part.c_str(), &info) != 0) {
        errno = error;
        return SystemError(part, "cannot create the folder");
      }
    }
    if (end == std::string::npos) break;
  }
  struct stat info {};
  if (::stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return OkStatus();
  return InvalidArgument(folder + ": is not a folder");
}

// Made here because SQLite would let others read it. An existing file is not opened: closing it
// would drop the locks that this process may have on it.
Status MakeStoreFile(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) {
    return S_ISREG(info.st_mode) ? OkStatus() : InvalidArgument(path + ": is not a regular file");
  }
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(path, "cannot create the file");
  ::close(fd);
  return OkStatus();
}

bool IsThere(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

ino_t InodeOf(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

int64_t BytesOnDisk(const std::string& path) {
  int64_t bytes = 0;
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) bytes += info.st_size;
  for (const char* suffix : kBeside) {
    if (::lstat((path + suffix).c_str(), &info) == 0) bytes += info.st_size;
  }
  return bytes;
}

Status RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return OkStatus();
  return SystemError(path, "cannot remove the file");
}

// The store first: SQLite ignores the log of a file that is empty or missing, but would replay it
// into an old one.
Status RemoveStoreFiles(const std::string& path) {
  MCV_RETURN_IF_ERROR(RemoveFile(path));
  for (const char* suffix : kBeside) MCV_RETURN_IF_ERROR(RemoveFile(path + suffix));
  return OkStatus();
}

Status RenameStoreFile(const std::string& path, const std::string& to) {
  if (::rename(path.c_str(), to.c_str()) != 0) return SystemError(path, "cannot rename the file");
  return RemoveStoreFiles(path);
}

Result<FolderLock> FolderLock::Take(const std::string& folder, int wait_ms) {
  FolderLock lock;
  lock.fd_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock.fd_ < 0) return SystemError(folder, "cannot open the folder");
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  while (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
    // File systems without locks: then repairs are not coordinated, and checks still hold.
    if (errno != EWOULDBLOCK && errno != EINTR) break;
    if (std::chrono::steady_clock::now() > give_up) {
      return IoError(folder + ": is locked by another process");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return lock;
}

FolderLock::FolderLock(FolderLock&& other) noexcept { *this = std::move(other); }

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace mcv
