// minicpmv bench: how fast this machine runs the model, beside llama.cpp and beside its own limits.
#pragma once

#include "apps/cli/command.h"

namespace mcv::cli {

void AddBenchCommand(CLI::App& app, CommandChoice* choice);

}  // namespace mcv::cli
