// What a person sees while the machine works: one progress line on a terminal, nothing when piped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/cli/terminal/interrupts.h"

namespace mcv::cli {

// True when both the program's progress goes to a terminal and nobody turned it off.
bool ShowsProgress(bool turned_off);

// One line on standard error that is drawn over and wiped when done; never wider than the terminal,
// which would keep what flows over.
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

// A note where the system gave fewer threads than were to be used.
void TellRefusedThreads();

// "850 ms", "12 s", "3 min 20 s".
std::string FormatSeconds(double seconds);
// "4.9 GB", "16 MB".
std::string FormatBytes(uint64_t bytes);

}  // namespace mcv::cli
