#include "apps/cli/terminal/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "apps/cli/terminal/shown_text.h"
#include "base/refused_threads.h"

namespace mcv::cli {
namespace {

constexpr int kProgressWidth = 24;

// Asked for each time: windows change.
size_t TerminalColumns() {
  constexpr size_t kUsual = 80;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return kUsual;
  return size.ws_col;
}

}  // namespace

bool ShowsProgress(bool turned_off) { return !turned_off && isatty(STDERR_FILENO) != 0; }

void ProgressLine::Show(const std::string& label, int64_t done, int64_t total,
                        double seconds_left) {
  if (!enabled_ || total <= 0) return;
  const int filled = static_cast<int>(kProgressWidth * done / total);
  std::string line = ShownName(label) + "  [" + std::string(static_cast<size_t>(filled), '#') +
                     std::string(static_cast<size_t>(kProgressWidth - filled), '.') + "]  " +
                     std::to_string(done) + "/" + std::to_string(total);
  if (seconds_left > 0) line += "  " + FormatSeconds(seconds_left) + " left";
  line = "\r\033[K" + CutToColumns(line, TerminalColumns() - 1);
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
    Print(stderr, "note: " + ShownName(about) + ": " + note + "\n");
  }
}

void TellRefusedThreads() {
  const int refused = RefusedThreads();
  if (refused == 0) return;
  Print(stderr, "note: threads: the system refused " + std::to_string(refused) +
                    " (a limit on processes or memory?), so everything takes longer; " +
                    "the answer is the same\n");
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
