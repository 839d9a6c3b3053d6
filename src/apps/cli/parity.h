// minicpmv parity DIR: replays a folder of golden values.
#pragma once

#include "apps/cli/command.h"

namespace mcv::cli {

void AddParityCommand(CLI::App& app, CommandChoice* choice);

}  // namespace mcv::cli
