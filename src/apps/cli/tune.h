#pragma once

#include "apps/cli/command.h"

namespace mcv::cli {

// minicpmv tune
void AddTuneCommand(CLI::App& app, CommandChoice* choice);

}  // namespace mcv::cli
