#include "apps/cli/terminal/interrupts.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "apps/cli/exit_codes.h"

namespace mcv::cli {
namespace {

std::atomic<bool> interrupted{false};
std::atomic<bool> terminating{false};
std::atomic<int> presses{0};
std::atomic<int> presses_that_end{2};
int signal_pipe[2] = {-1, -1};

// Only async-signal-safe work: flags, a byte for who waits, or the end.
void OnSignal(int signal) {
  const int error = errno;
  if (signal == SIGTERM && terminating.exchange(true)) _exit(kExitInterrupted);
  if (signal == SIGINT) {
    const int most = presses_that_end.load();
    if (presses.fetch_add(1) + 1 >= most && most > 0) _exit(kExitInterrupted);
  }
  if (signal == SIGINT || signal == SIGTERM) interrupted.store(true);
  if (signal_pipe[1] >= 0) {
    const char byte = 0;
    // A full pipe says the same as one more byte.
    [[maybe_unused]] const ssize_t written = write(signal_pipe[1], &byte, 1);
  }
  errno = error;
}

void InstallHandlers() {
  if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) signal_pipe[0] = signal_pipe[1] = -1;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  // No SA_RESTART: a prompt that waits for a line must wake up.
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_flags = SA_RESTART;
  sigaction(SIGWINCH, &action, nullptr);
  sigaction(SIGCONT, &action, nullptr);
}

void Install() {
  static const bool installed = (InstallHandlers(), true);
  (void)installed;
}

}  // namespace

std::atomic<bool>& Interrupted() {
  Install();
  return interrupted;
}

bool Terminating() { return terminating.load(); }

void EndAfterPresses(int count) {
  presses.store(0);
  presses_that_end.store(count);
}

void ForgetInterrupt() {
  presses.store(0);
  interrupted.store(false);
  if (terminating.load()) interrupted.store(true);
}

int SignalDescriptor() {
  Install();
  return signal_pipe[0];
}

void DrainSignals() {
  char bytes[64];
  while (signal_pipe[0] >= 0 && read(signal_pipe[0], bytes, sizeof bytes) > 0) {
  }
}

}  // namespace mcv::cli
