// minicpmv ask PICTURE... "question".
#pragma once

#include "apps/cli/command.h"

namespace mcv::cli {

void AddAskCommand(CLI::App& app, CommandChoice* choice);

}  // namespace mcv::cli
