// minicpmv cache: what is remembered about pictures, and forgetting it.
#pragma once

#include "apps/cli/command.h"

namespace mcv::cli {

void AddCacheCommand(CLI::App& app, CommandChoice* choice);

}  // namespace mcv::cli
