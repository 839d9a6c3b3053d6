#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/machine_memory.h"
#include "base/no_throw.h"

namespace mcv {
namespace {

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Status SystemError(const std::string& path, const std::string& what) {
  const int error = errno;
  const std::string text = path + ": " + what + ": " + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) return NotFound(text);
  return IoError(text);
}

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// What an open regular file is, or why it is not one.
Result<FileIdentity> IdentifyRegularFile(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return SystemError(path, "cannot read its size");
  if (S_ISDIR(info.st_mode)) return InvalidArgument(path + ": is a folder, expected a file");
  if (!S_ISREG(info.st_mode)) return InvalidArgument(path + ": is not a regular file");
  return FileIdentity{info.st_ino, static_cast<uint64_t>(info.st_size), Nanoseconds(info.st_mtim),
                      Nanoseconds(info.st_ctim)};
}

// Fills `bytes` from where the file stands. How many came: fewer only if the file became shorter.
Result<size_t> ReadBytes(int fd, const std::string& path, std::span<std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, "cannot read");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

// The file's bytes in memory of this process's own: at `place`, over what is mapped there, or
// anywhere if that is null. An error leaves pages at a given place, without their contents.
Result<void*> ReadIntoPages(int fd, const std::string& path, size_t size, void* place) {
  const int fixed = place != nullptr ? MAP_FIXED : 0;
  void* address =
      ::mmap(place, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
  if (address == MAP_FAILED) {
    return ResourceExhausted(path + ": no memory for its " + std::to_string(size) +
                             " bytes: " + std::strerror(errno));
  }
  const Status status = [&]() -> Status {
    MCV_ASSIGN_OR_RETURN(const size_t got,
                         ReadBytes(fd, path, {static_cast<std::byte*>(address), size}));
    if (got < size) return Corrupt(path + ": the file became shorter while it was read");
    if (::mprotect(address, size, PROT_READ) != 0) return SystemError(path, "cannot protect");
    return OkStatus();
  }();
  if (status.ok()) return address;
  if (place == nullptr) ::munmap(address, size);
  return status;
}

// Memory that is not there would be found out by being killed.
Status CheckRoomToRead(const std::string& path, size_t size, const std::string& why) {
  const auto room = ReadMachineMemory().Room();
  if (!room || size <= *room) return OkStatus();
  return ResourceExhausted(path + ": " + why + ", and reading its " + std::to_string(size) +
                           " bytes needs more memory than the " + std::to_string(*room) +
                           " bytes that are free; a copy on another file system can be mapped");
}

}  // namespace

Result<MappedFile> MappedFile::Open(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return SystemError(path, "cannot open");
  MCV_ASSIGN_OR_RETURN(const FileIdentity identity, IdentifyRegularFile(fd.get(), path));
  const size_t size = identity.bytes;
  if (size == 0) return Corrupt(path + ": the file is empty");
  MappedFile file;
  file.path_ = path;
  file.identity_ = identity;
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) {
    file.read_because_ = std::string("cannot be mapped (") + std::strerror(errno) + ")";
    MCV_RETURN_IF_ERROR(CheckRoomToRead(path, size, file.read_because_));
    MCV_ASSIGN_OR_RETURN(address, ReadIntoPages(fd.get(), path, size, nullptr));
    file.in_memory_ = true;
  } else {
    ::madvise(address, size, MADV_HUGEPAGE);  // refused where there are none; as good
  }
  file.data_ = static_cast<const std::byte*>(address);
  file.size_ = size;
  if (!file.in_memory_) file.guard_ = MappingGuard(file.data());
  return file;
}

Status MappedFile::ReadIntoMemory() {
  if (in_memory_ || data_ == nullptr) return OkStatus();
  Descriptor fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return SystemError(path_, "cannot open");
  MCV_ASSIGN_OR_RETURN(const FileIdentity identity, IdentifyRegularFile(fd.get(), path_));
  if (identity != identity_) return Corrupt(path_ + ": the file has changed since it was opened");
  in_memory_ = true;
  return ReadIntoPages(fd.get(), path_, size_, const_cast<std::byte*>(data_)).status();
}

// Not by the time of the inode's change: giving the file another name changes that too.
Status MappedFile::CheckIntact() const {
  if (in_memory_ || data_ == nullptr) return OkStatus();
  if (damaged()) {
    return Corrupt(path_ +
                   ": parts of the file went away while it was in use: it was shortened, or its "
                   "disk failed; put the whole file back and open it again");
  }
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0 || info.st_ino != identity_.inode) return OkStatus();
  if (static_cast<uint64_t>(info.st_size) != identity_.bytes) {
    return Corrupt(path_ + ": the file has " + std::to_string(info.st_size) +
                   " bytes now, it had " + std::to_string(identity_.bytes) +
                   " when it was opened; open it again");
  }
  if (Nanoseconds(info.st_mtim) != identity_.modified_ns) {
    return Corrupt(path_ + ": somebody wrote to the file while it was in use; open it again");
  }
  return OkStatus();
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  std::swap(identity_, other.identity_);
  std::swap(in_memory_, other.in_memory_);
  std::swap(read_because_, other.read_because_);
  std::swap(guard_, other.guard_);
  return *this;
}

MappedFile::~MappedFile() {
  guard_ = MappingGuard();
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

namespace {

// Whole pages: inner = those fully inside the range, outer = those it touches.
std::span<std::byte> PagesOf(std::span<const std::byte> range, bool inner) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto begin = reinterpret_cast<uintptr_t>(range.data());
  uintptr_t end = begin + range.size();
  if (inner) {
    begin = (begin + page - 1) / page * page;
    end = end / page * page;
  } else {
    begin = begin / page * page;
    end = (end + page - 1) / page * page;
  }
  return {reinterpret_cast<std::byte*>(begin), begin < end ? end - begin : 0};
}

void Advise(std::span<std::byte> pages, int advice) {
  if (!pages.empty()) ::madvise(pages.data(), pages.size(), advice);
}

// Of Linux 5.14; the C library's headers of older systems lack the name.
constexpr int kPopulateRead = 22;

}  // namespace

void MappedFile::MapCached(std::span<const std::byte> range) {
  const auto pages = CountCached(range);
  if (!pages.ok() || pages->cached < pages->all) return;
  Advise(PagesOf(range, /*inner=*/false), kPopulateRead);
}

void MappedFile::WillNeed(std::span<const std::byte> range) {
  Advise(PagesOf(range, /*inner=*/false), MADV_WILLNEED);
}

void MappedFile::Drop(std::span<const std::byte> range) {
  Advise(PagesOf(range, /*inner=*/true), MADV_DONTNEED);
}

// In pieces, so that a large file needs no large vector.
Result<MappedFile::CachedPages> MappedFile::CountCached(std::span<const std::byte> range) {
  CachedPages count;
  if (range.empty()) return count;
  const std::span<std::byte> pages = PagesOf(range, /*inner=*/false);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  std::array<unsigned char, 4096> present;
  for (size_t at = 0; at < pages.size(); at += present.size() * page) {
    const size_t bytes = std::min(present.size() * page, pages.size() - at);
    if (::mincore(pages.data() + at, bytes, present.data()) != 0) {
      return IoError(std::strerror(errno));
    }
    const size_t n = bytes / page;
    count.all += n;
    for (size_t i = 0; i < n; ++i) count.cached += present[i] & 1u;
  }
  return count;
}

Result<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return SystemError(path, "cannot open");
  MCV_ASSIGN_OR_RETURN(const FileIdentity identity, IdentifyRegularFile(fd.get(), path));
  const size_t size = identity.bytes;
  if (size > max_bytes) {
    return ResourceExhausted(path + ": has " + std::to_string(size) + " bytes, the limit is " +
                             std::to_string(max_bytes));
  }
  return WithoutThrowing(path, [&]() -> Result<std::string> {
    std::string text(size, '\0');
    MCV_ASSIGN_OR_RETURN(const size_t got,
                         ReadBytes(fd.get(), path, std::as_writable_bytes(std::span(text))));
    text.resize(got);
    return text;
  });
}

}  // namespace mcv
