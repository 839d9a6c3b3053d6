#include "apps/bench/page_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/mapped_file.h"

namespace mcv::bench {
namespace {

// An open file and its size.
struct OpenFile {
  int fd = -1;
  size_t bytes = 0;
  explicit OpenFile(const std::string& path) : fd(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat info {};
    if (fd >= 0 && fstat(fd, &info) == 0) bytes = static_cast<size_t>(info.st_size);
  }
  ~OpenFile() {
    if (fd >= 0) close(fd);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
};

Status Refused(const std::string& path) { return IoError(path + ": " + std::strerror(errno)); }

Result<MappedFile::CachedPages> CountCached(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  auto pages = MappedFile::CountCached(file.data());
  if (!pages.ok()) return pages.status().Annotate(path);
  return pages;
}

Status ReadWhole(const std::string& path, int fd) {
  std::vector<char> buffer(size_t{1} << 20);
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got == 0) return OkStatus();
    if (got < 0 && errno != EINTR) return Refused(path);
  }
}

}  // namespace

Result<double> DropFromCache(const std::vector<std::string>& paths) {
  MappedFile::CachedPages pages;
  for (const std::string& path : paths) {
    const OpenFile file(path);
    if (file.fd < 0) return Refused(path);
    if (file.bytes == 0) continue;
    fdatasync(file.fd);  // only clean pages can be forgotten
    posix_fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED);
    MCV_ASSIGN_OR_RETURN(const MappedFile::CachedPages left, CountCached(path));
    pages.all += left.all;
    pages.cached += left.cached;
  }
  if (pages.all == 0) return 0.0;
  return static_cast<double>(pages.cached) / static_cast<double>(pages.all);
}

Status ReadIntoCache(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const OpenFile file(path);
    if (file.fd < 0) return Refused(path);
    if (file.bytes == 0) continue;
    MCV_ASSIGN_OR_RETURN(const MappedFile::CachedPages pages, CountCached(path));
    if (pages.cached < pages.all) MCV_RETURN_IF_ERROR(ReadWhole(path, file.fd));
  }
  return OkStatus();
}

}  // namespace mcv::bench
