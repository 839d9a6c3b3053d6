#include "apps/bench/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mcv::bench {
namespace {

struct Pages {
  size_t all = 0;
  size_t cached = 0;
};

// mincore in pieces, so that a large file needs no large vector.
Status CountCached(int fd, size_t bytes, Pages* pages) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* map = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return IoError(std::strerror(errno));
  std::vector<unsigned char> present(4096);
  const size_t step = present.size() * page;
  Status status;
  for (size_t at = 0; at < bytes && status.ok(); at += step) {
    const size_t length = std::min(step, bytes - at);
    if (mincore(static_cast<char*>(map) + at, length, present.data()) != 0) {
      status = IoError(std::strerror(errno));
      break;
    }
    const size_t count = (length + page - 1) / page;
    pages->all += count;
    for (size_t i = 0; i < count; ++i) pages->cached += present[i] & 1u;
  }
  munmap(map, bytes);
  return status;
}

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
  Pages pages;
  for (const std::string& path : paths) {
    const OpenFile file(path);
    if (file.fd < 0) return Refused(path);
    if (file.bytes == 0) continue;
    fdatasync(file.fd);  // only clean pages can be forgotten
    posix_fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED);
    MCV_RETURN_IF_ERROR(CountCached(file.fd, file.bytes, &pages).Annotate(path));
  }
  if (pages.all == 0) return 0.0;
  return static_cast<double>(pages.cached) / static_cast<double>(pages.all);
}

Status ReadIntoCache(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const OpenFile file(path);
    if (file.fd < 0) return Refused(path);
    if (file.bytes == 0) continue;
    Pages pages;
    MCV_RETURN_IF_ERROR(CountCached(file.fd, file.bytes, &pages).Annotate(path));
    if (pages.cached < pages.all) MCV_RETURN_IF_ERROR(ReadWhole(path, file.fd));
  }
  return OkStatus();
}

}  // namespace mcv::bench
