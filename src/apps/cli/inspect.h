// minicpmv inspect FILE|FOLDER: what a model's files hold, and what is missing.
#pragma once

#include "apps/cli/command.h"

namespace mcv::cli {

void AddInspectCommand(CLI::App& app, CommandChoice* choice);

}  // namespace mcv::cli
