// What a person sees while the machine works: one progress line on a terminal, nothing when piped;
// and Ctrl-C as a flag that the work looks at.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "engine/session.h"

namespace mcv::cli {

// The flag that the first Ctrl-C (or SIGTERM) sets; a second one ends the process at once with 130.
// Installed on first use.
std::atomic<bool>& Interrupted();

// True when both the program's progress goes to a terminal and nobody turned it off.
bool ShowsProgress(bool turned_off);

// One line on standard error that is drawn over and wiped when done.
class ProgressLine {
 public:
  explicit ProgressLine(bool enabled) : enabled_(enabled) {}
  ~ProgressLine() { Wipe(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // "label  [#####.....]  3/10  12 s left"
  void Show(const std::string& label, int64_t done, int64_t total, double seconds_left);
  void Wipe();

 private:
  bool enabled_;
  bool drawn_ = false;
};

// One line on standard error for each: "note: about: ...".
void PrintNotes(const std::vector<std::string>& notes, const std::string& about);

// "850 ms", "12 s", "3 min 20 s".
std::string FormatSeconds(double seconds);
// "4.9 GB", "16 MB".
std::string FormatBytes(uint64_t bytes);

}  // namespace mcv::cli
