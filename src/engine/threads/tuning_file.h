// What was measured to be best, remembered per machine and model in one JSON file. A file that is
// not as expected is never more than a reason to go without it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/cpu_topology.h"
#include "base/status.h"
#include "engine/threads/thread_settings.h"
#include "family/model_files.h"

namespace mcv {

struct TuningEntry {
  std::string machine;  // MachineKey
  std::string model;    // ModelKey
  ThreadSettings settings;
};

// Processor, usable processors and their layout, instruction set and numerics: what makes a
// measurement hold.
std::string MachineKey(const CpuTopology& topology, std::string_view target, Numerics numerics);
// Version, name and a digest of every tensor's name, type and size.
std::string ModelKey(const ModelFiles& files);

class TuningFile {
 public:
  // Corrupt with what was expected and what came: a file is taken whole or not at all.
  static Result<TuningFile> Parse(std::string_view text);
  // NotFound where there is none. Corrupt above 1 MiB.
  static Result<TuningFile> Read(const std::string& path);

  const TuningEntry* Find(std::string_view machine, std::string_view model) const;
  // In place of one with the same keys; of more than 100 entries the oldest go.
  void Put(TuningEntry entry);
  const std::vector<TuningEntry>& entries() const { return entries_; }

  std::string ToText() const;
  // Whole or not at all; makes the folder. Of two writers at once the last wins.
  Status Write(const std::string& path) const;

 private:
  std::vector<TuningEntry> entries_;
};

}  // namespace mcv
