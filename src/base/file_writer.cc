#include "base/file_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace mcv {
namespace {
constexpr size_t kBufferBytes = 1 << 20;
constexpr int kMostLinks = 40;  // as the system follows
constexpr int kMostTries = 1000;
constexpr std::string_view kPartial = ".partial-";

// Renaming over a device would replace it with a file; over a folder it fails, but only after
// everything has been written.
Status CheckTarget(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode)) return OkStatus();
  return InvalidArgument(path + (S_ISDIR(info.st_mode) ? ": is a folder, expected a file's name"
                                                       : ": is not a regular file"));
}

// "folder/" of "folder/name", empty for a plain name.
std::string FolderPart(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

// Where a chain of symbolic links ends, whether or not there is a file yet.
Result<std::string> FollowLinks(const std::string& path) {
  std::string at = path;
  for (int i = 0; i < kMostLinks; ++i) {
    std::array<char, PATH_MAX> text;
    const ssize_t length = ::readlink(at.c_str(), text.data(), text.size());
    if (length < 0) return at;
    const std::string leads_to(text.data(), static_cast<size_t>(length));
    at = leads_to.starts_with('/') ? leads_to : FolderPart(at) + leads_to;
  }
  return IoError(path + ": " + std::strerror(ELOOP));
}

// "name.partial-12-3": a process's number and a count.
bool IsPartialOf(std::string_view entry, std::string_view name) {
  if (!entry.starts_with(name) || !entry.substr(name.size()).starts_with(kPartial)) return false;
  const std::string_view numbers = entry.substr(name.size() + kPartial.size());
  const size_t dash = numbers.find('-');
  return dash != std::string_view::npos && dash > 0 && dash + 1 < numbers.size() &&
         numbers.find_first_not_of("0123456789-") == std::string_view::npos &&
         numbers.rfind('-') == dash;
}

// A partial file is locked as long as its writer lives: one that can be locked was left behind. On
// file systems without locks nothing is removed.
void RemoveIfLeftBehind(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return;
  struct stat info = {};
  const bool ours = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == ::geteuid();
  if (ours && ::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
  ::close(fd);
}

void RemoveLeftBehind(const std::string& target) {
  const std::string folder = FolderPart(target);
  const std::string name = target.substr(folder.size());
  DIR* entries = ::opendir(folder.empty() ? "." : folder.c_str());
  if (entries == nullptr) return;
  while (const dirent* entry = ::readdir(entries)) {
    if (IsPartialOf(entry->d_name, name)) RemoveIfLeftBehind(folder + entry->d_name);
  }
  ::closedir(entries);
}

// After a power cut a name may be gone although the file's bytes are there, unless the folder was
// written too. Some file systems cannot sync a folder, and need not.
Status SyncFolder(const std::string& target, const std::string& path) {
  const std::string folder = FolderPart(target);
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return OkStatus();
  const bool failed = ::fsync(fd) != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT);
  const int error = errno;
  ::close(fd);
  if (!failed) return OkStatus();
  return IoError(path + ": was written, but its folder cannot be synced: " + std::strerror(error));
}

}  // namespace

Result<FileWriter> FileWriter::Create(const std::string& path, FileReaders readers) {
  MCV_RETURN_IF_ERROR(CheckTarget(path));
  FileWriter writer;
  writer.path_ = path;
  MCV_ASSIGN_OR_RETURN(writer.target_, FollowLinks(path));
  RemoveLeftBehind(writer.target_);
  MCV_RETURN_IF_ERROR(writer.OpenPartial(readers));
  return writer;
}

// A new file, through no link that somebody laid there: names that are taken are passed over, by
// other writers' files as by traps.
Status FileWriter::OpenPartial(FileReaders readers) {
  static std::atomic<uint64_t> count = 0;
  const std::string stem = target_ + std::string(kPartial) + std::to_string(::getpid()) + "-";
  struct stat old = {};
  const bool replaces = ::stat(target_.c_str(), &old) == 0;
  const mode_t mode = readers == FileReaders::kOwner ? 0600 : 0666;
  for (int i = 0; i < kMostTries; ++i) {
    const std::string name = stem + std::to_string(count.fetch_add(1));
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST) continue;
    if (fd < 0) break;
    struct stat info = {};
    // Whoever tidies up may hold the lock before us, and then removes the file.
    const bool taken = ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (taken || ::fstat(fd, &info) != 0 || info.st_nlink == 0) {
      ::close(fd);
      ::unlink(name.c_str());
      continue;
    }
    if (replaces) (void)!::fchmod(fd, old.st_mode & 0777);  // as good as it can be
    fd_ = fd;
    partial_path_ = name;
    return OkStatus();
  }
  return IoError(path_ + ": cannot create the file: " + std::strerror(errno));
}

FileWriter::FileWriter(FileWriter&& other) noexcept { *this = std::move(other); }

FileWriter& FileWriter::operator=(FileWriter&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(target_, other.target_);
  std::swap(partial_path_, other.partial_path_);
  std::swap(buffer_, other.buffer_);
  std::swap(bytes_written_, other.bytes_written_);
  std::swap(status_, other.status_);
  return *this;
}

FileWriter::~FileWriter() { Discard(); }

// The name goes before the lock does: nobody else may remove what has it next.
void FileWriter::Discard() {
  if (!partial_path_.empty()) ::unlink(std::exchange(partial_path_, {}).c_str());
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

// errno first: whatever is done to tidy up changes it.
Status FileWriter::Fail(const std::string& what) {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  Discard();
  status_ = Status(full ? StatusCode::kResourceExhausted : StatusCode::kIo,
                   path_ + ": " + what + ": " + std::strerror(error) + "; nothing was left behind");
  return status_;
}

Status FileWriter::Flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t put = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Fail("cannot write");
    done += static_cast<size_t>(put);
  }
  buffer_.clear();
  return OkStatus();
}

Status FileWriter::Write(std::string_view text) {
  MCV_RETURN_IF_ERROR(status_);
  MCV_CHECK(fd_ >= 0);
  bytes_written_ += text.size();
  while (!text.empty()) {
    const size_t take = std::min(text.size(), kBufferBytes - buffer_.size());
    buffer_.append(text.substr(0, take));
    text.remove_prefix(take);
    if (buffer_.size() == kBufferBytes) MCV_RETURN_IF_ERROR(Flush());
  }
  return OkStatus();
}

Status FileWriter::Write(std::span<const std::byte> bytes) {
  return Write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Status FileWriter::PadTo(uint64_t alignment) {
  const uint64_t rest = bytes_written_ % alignment;
  return rest == 0 ? OkStatus() : Write(std::string(alignment - rest, '\0'));
}

// Renamed while the lock is held, so that nobody takes the file for one that was left behind.
Status FileWriter::Commit() {
  MCV_RETURN_IF_ERROR(status_);
  MCV_RETURN_IF_ERROR(Flush());
  if (::fsync(fd_) != 0) return Fail("cannot sync");
  // Some network file systems tell only here that there was no room; the descriptor that is left
  // keeps the lock.
  const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return Fail("cannot close");
  if (::close(std::exchange(fd_, copy)) != 0) return Fail("cannot close");
  if (::rename(partial_path_.c_str(), target_.c_str()) != 0) {
    return Fail("cannot rename into place");
  }
  partial_path_.clear();
  Discard();
  return SyncFolder(target_, path_);
}

Status WriteFile(const std::string& path, std::string_view contents, FileReaders readers) {
  MCV_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path, readers));
  MCV_RETURN_IF_ERROR(writer.Write(contents));
  return writer.Commit();
}

}  // namespace mcv
