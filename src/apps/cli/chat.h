// minicpmv chat [PICTURE...]: a conversation in the terminal.
#pragma once

#include "apps/cli/command.h"

namespace mcv::cli {

void AddChatCommand(CLI::App& app, CommandChoice* choice);

}  // namespace mcv::cli
