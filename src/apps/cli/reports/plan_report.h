// A memory plan for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/machine_memory.h"
#include "engine/engine.h"

namespace mcv::cli {

struct PlanReport {
  PlannedRun run;     // the request as it will be worked with
  MemoryPlan plan;    // of the question
  MemoryPlan whole;   // of a conversation that fills the context
  int64_t limit = 0;  // --memory-limit; 0: none
  MachineMemory machine;
  Status refusal;                  // of the limit
  std::vector<std::string> notes;  // what the limit changed, and what the files gave to tell

  bool fits_limit() const { return refusal.ok(); }
  bool fits_machine() const;
  // What is to be kept below: the limit, else what the machine has; 0: unknown.
  int64_t bound() const;
};

std::string PlanText(const PlanReport& report);
nlohmann::ordered_json PlanJson(const PlanReport& report);

}  // namespace mcv::cli
