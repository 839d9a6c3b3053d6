// Replays a goldens folder: every run, from every file that holds its model, stage by stage.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "apps/parity/model_under_test.h"
#include "apps/parity/report.h"

namespace mcv::parity {

struct ReplayOptions {
  MachineOptions machine;
  std::string run;  // only this run, and no tables; empty: everything
  // Called before each case with what it is, for a progress line; may be empty.
  std::function<void(const std::string& what, int64_t done, int64_t total)> on_progress;
};

// Fails (as a Status) only if nothing can be begun: no such folder or run, no such target.
// Everything else that is wrong is in the report.
Result<Report> ReplayGoldens(const std::string& folder, const ReplayOptions& options);

}  // namespace mcv::parity
