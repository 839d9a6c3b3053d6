#include "apps/cli/terminal/standard_input.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "apps/cli/terminal/interrupts.h"

namespace mcv::cli {

StandardInput::Got StandardInput::Next(char* byte) {
  while (at_ == size_) {
    pollfd waiting[2] = {{STDIN_FILENO, POLLIN, 0}, {SignalDescriptor(), POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return Got::kEnd;
    if (waiting[1].revents != 0) {
      DrainSignals();
      return Got::kSignal;
    }
    if (waiting[0].revents == 0) continue;
    const ssize_t got = read(STDIN_FILENO, buffer_, sizeof buffer_);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return Got::kEnd;
    at_ = 0;
    size_ = static_cast<size_t>(got);
  }
  *byte = buffer_[at_++];
  return Got::kByte;
}

}  // namespace mcv::cli
