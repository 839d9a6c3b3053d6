// Where a picture's bytes come from.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "apps/cli/commands/picture_loading.h"
#include "apps/cli/terminal/interrupts.h"

namespace mcv::cli {
namespace {

// More than any picture takes that is accepted.
constexpr size_t kMostPipedBytes = size_t{1} << 30;

struct Descriptor {
  ~Descriptor() {
    if (owned && fd >= 0) ::close(fd);
  }
  int fd = -1;
  bool owned = false;
};

// Waits for something to read; false when a signal came instead.
bool WaitForInput(int fd) {
  pollfd waiting[2] = {{fd, POLLIN, 0}, {SignalDescriptor(), POLLIN, 0}};
  while (!Interrupted()) {
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return true;  // read() tells what is wrong
    DrainSignals();
    if (waiting[0].revents != 0 && !Interrupted()) return true;
  }
  return false;
}

Result<std::string> ReadToEnd(int fd, const std::string& path) {
  std::string bytes;
  constexpr size_t kPiece = size_t{1} << 16;
  while (bytes.size() <= kMostPipedBytes) {
    if (!WaitForInput(fd)) return Cancelled("stopped while the picture was read from " + path);
    const size_t before = bytes.size();
    bytes.resize(before + kPiece);
    const ssize_t got = ::read(fd, bytes.data() + before, kPiece);
    bytes.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return bytes;
    if (got < 0 && errno != EINTR && errno != EAGAIN) {
      return IoError(path + ": cannot read: " + std::strerror(errno));
    }
  }
  return ResourceExhausted(path + ": more than " + std::to_string(kMostPipedBytes) +
                           " bytes came, no picture is as large");
}

// Everything else, devices included, is left to the reader of files, which takes it or says why
// not.
bool IsPipe(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

Status CheckAddress(const std::string& path) {
  if (!path.starts_with("http://") && !path.starts_with("https://")) return OkStatus();
  return InvalidArgument(path +
                         ": nothing is taken from the network; fetch it first: curl -L ADDRESS | "
                         "minicpmv ask - \"Question?\"");
}

}  // namespace

Result<PictureFile> PictureFile::Open(const std::string& path) {
  MCV_RETURN_IF_ERROR(CheckAddress(path));
  PictureFile file;
  file.path_ = path;
  if (path != "-" && !IsPipe(path)) return file;
  Descriptor input;
  if (path == "-") {
    file.path_ = "standard input";
    input.fd = STDIN_FILENO;
  } else {
    input.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    input.owned = true;
    if (input.fd < 0 && errno == EINTR) return Cancelled("stopped while " + path + " was opened");
    if (input.fd < 0) return IoError(path + ": cannot open: " + std::strerror(errno));
  }
  if (isatty(input.fd) != 0) {
    return InvalidArgument(
        file.path_ + ": a picture cannot be typed; send one through a pipe, or " + "name its file");
  }
  MCV_ASSIGN_OR_RETURN(file.piped_, ReadToEnd(input.fd, file.path_));
  return file;
}

Result<ImageInfo> PictureFile::Info() const {
  if (!piped_) return LoadImageInfo(path_);
  auto info = ReadImageInfo(std::as_bytes(std::span(*piped_)));
  if (!info.ok()) return info.status().Annotate(path_);
  return info;
}

Result<DecodedImage> PictureFile::Decode(const ImageOptions& options) const {
  if (!piped_) return LoadImage(path_, options);
  auto decoded = DecodeImage(std::as_bytes(std::span(*piped_)), options);
  if (!decoded.ok()) return decoded.status().Annotate(path_);
  return decoded;
}

bool IsReadableFile(const std::string& path) {
  struct stat info {};
  return !path.empty() && ::stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode);
}

bool HasPictureEnding(std::string_view path) {
  std::string lower(path);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view ending : {".jpg", ".jpeg", ".png", ".webp"}) {
    if (lower.size() > ending.size() && lower.ends_with(ending)) return true;
  }
  return false;
}

}  // namespace mcv::cli
