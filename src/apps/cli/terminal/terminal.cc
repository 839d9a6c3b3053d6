#include "apps/cli/terminal/terminal.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "apps/cli/exit_codes.h"

namespace mcv::cli {
namespace {

std::atomic<bool> interrupted{false};

// Only async-signal-safe work: a flag, or the end.
void OnSignal(int) {
  if (interrupted.exchange(true)) _exit(kExitInterrupted);
}

void InstallHandler() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  // No SA_RESTART: a prompt that waits for a line must wake up.
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

constexpr int kProgressWidth = 24;

}  // namespace

std::atomic<bool>& Interrupted() {
  static const bool installed = (InstallHandler(), true);
  (void)installed;
  return interrupted;
}

bool ShowsProgress(bool turned_off) { return !turned_off && isatty(STDERR_FILENO) != 0; }

void ProgressLine::Show(const std::string& label, int64_t done, int64_t total,
                        double seconds_left) {
  if (!enabled_ || total <= 0) return;
  const int filled = static_cast<int>(kProgressWidth * done / total);
  std::string line = "\r\033[K" + label + "  [" + std::string(static_cast<size_t>(filled), '#') +
                     std::string(static_cast<size_t>(kProgressWidth - filled), '.') + "]  " +
                     std::to_string(done) + "/" + std::to_string(total);
  if (seconds_left > 0) line += "  " + FormatSeconds(seconds_left) + " left";
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressLine::Wipe() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

void PrintNotes(const std::vector<std::string>& notes, const std::string& about) {
  for (const std::string& note : notes) {
    std::fprintf(stderr, "note: %s: %s\n", about.c_str(), note.c_str());
  }
}

std::string FormatSeconds(double seconds) {
  char text[64];
  if (seconds < 1.0) {
    std::snprintf(text, sizeof text, "%.0f ms", seconds * 1e3);
  } else if (seconds < 10.0) {
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  } else if (seconds < 120.0) {
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  } else {
    const int whole = static_cast<int>(seconds + 0.5);
    std::snprintf(text, sizeof text, "%d min %d s", whole / 60, whole % 60);
  }
  return text;
}

std::string FormatBytes(uint64_t bytes) {
  char text[64];
  const double value = static_cast<double>(bytes);
  if (bytes >= 1'000'000'000) {
    std::snprintf(text, sizeof text, "%.2f GB", value / 1e9);
  } else if (bytes >= 1'000'000) {
    std::snprintf(text, sizeof text, "%.1f MB", value / 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.1f kB", value / 1e3);
  }
  return text;
}

}  // namespace mcv::cli
