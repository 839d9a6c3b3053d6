#include "base/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace mcv {
namespace {
constexpr size_t kBufferBytes = 1 << 20;

// Renaming over a device would replace it with a file; over a folder it fails, but only after
// everything has been written.
Status CheckTarget(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode)) return OkStatus();
  return InvalidArgument(path + (S_ISDIR(info.st_mode) ? ": is a folder, expected a file's name"
                                                       : ": is not a regular file"));
}

}  // namespace

Result<FileWriter> FileWriter::Create(const std::string& path) {
  MCV_RETURN_IF_ERROR(CheckTarget(path));
  FileWriter writer;
  writer.path_ = path;
  writer.partial_path_ = path + ".partial-" + std::to_string(::getpid());
  writer.fd_ = ::open(writer.partial_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (writer.fd_ < 0) {
    return IoError(path + ": cannot create the file: " + std::strerror(errno));
  }
  return writer;
}

FileWriter::FileWriter(FileWriter&& other) noexcept { *this = std::move(other); }

FileWriter& FileWriter::operator=(FileWriter&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(partial_path_, other.partial_path_);
  std::swap(buffer_, other.buffer_);
  std::swap(bytes_written_, other.bytes_written_);
  std::swap(status_, other.status_);
  return *this;
}

FileWriter::~FileWriter() { Discard(); }

void FileWriter::Discard() {
  if (fd_ < 0) return;
  ::close(std::exchange(fd_, -1));
  ::unlink(partial_path_.c_str());
}

Status FileWriter::Fail(const std::string& what) {
  const bool full = errno == ENOSPC || errno == EDQUOT;
  status_ = Status(full ? StatusCode::kResourceExhausted : StatusCode::kIo,
                   path_ + ": " + what + ": " + std::strerror(errno) + "; nothing was left behind");
  Discard();
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

Status FileWriter::Commit() {
  MCV_RETURN_IF_ERROR(status_);
  MCV_RETURN_IF_ERROR(Flush());
  if (::fsync(fd_) != 0) return Fail("cannot sync");
  if (::close(std::exchange(fd_, -1)) != 0) {
    ::unlink(partial_path_.c_str());
    return Fail("cannot close");
  }
  if (::rename(partial_path_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(partial_path_.c_str());
    errno = error;
    return Fail("cannot rename into place");
  }
  return OkStatus();
}

Status WriteFile(const std::string& path, std::string_view contents) {
  MCV_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path));
  MCV_RETURN_IF_ERROR(writer.Write(contents));
  return writer.Commit();
}

}  // namespace mcv
