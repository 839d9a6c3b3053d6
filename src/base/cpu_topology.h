// The processors that this process may use: cores and their siblings, shared caches, big and little
// ones, and how much of them the control group allows.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace mcv {

struct LogicalCpu {
  int id = 0;     // the system's number
  int core = 0;   // processors with the same number share a core; dense, in order of `id`
  int cache = 0;  // processors with the same number share the last cache that is shared; dense
  // Speed of one thread, relative: the system's cpu_capacity, else the highest frequency in MHz,
  // else 0 (not told).
  int capacity = 0;
};

struct CpuTopology {
  std::string model;             // the processor's name; empty where the system tells none
  std::vector<LogicalCpu> cpus;  // usable ones in order of `id`; never empty
  std::optional<double> quota;   // processors' time that the control group allows

  int num_cores() const;
  int num_caches() const;
  // Not below half the speed of the fastest: little cores would make the others wait for them.
  bool IsBig(const LogicalCpu& cpu) const;
  // One processor of each core, big cores first, then those of the cores' further threads.
  std::vector<int> CoresFirst() const;
  // The same cores, but neighbours in the list lie in different caches.
  std::vector<int> SpreadOverCaches() const;
  // `count`, or what the quota allows of it; at least 1.
  int WithinQuota(int count) const;
  // "2 of 0-1, 2 cores, 1 cache": to tell machines apart.
  std::string Describe() const;
};

// Every field falls back to what makes all processors equal where the system does not tell. `root`
// stands before /proc and /sys, `allowed` in place of this process's affinity; for tests.
CpuTopology ReadCpuTopology(const std::string& root = "",
                            const std::optional<std::vector<int>>& allowed = std::nullopt);

// Threads that make sense for heavy arithmetic: one for each big core, within the quota. Threads of
// one core share its multipliers and its way to memory, so a second one there gains little and can
// cost; a machine with one core takes its threads all the same, which hides some of memory's delay.
int DefaultThreadCount(const CpuTopology& topology);
int DefaultThreadCount();

}  // namespace mcv
