#pragma once

#include "apps/cli/command.h"

namespace mcv::cli {

void AddPlanCommand(CLI::App& app, CommandChoice* choice);

}  // namespace mcv::cli
