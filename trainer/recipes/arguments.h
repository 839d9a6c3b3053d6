// The command line of mcv-train.
#pragma once

#include <optional>

#include "trainer/recipes/config.h"

namespace mcv::trainer {

struct Arguments {
  TrainConfig config;
  // Set: leave with it instead of training. Help was shown (0), the settings file could not be read
  // (1), or the command line is wrong (2); the reason is on stderr.
  std::optional<int> exit_code;
};

// Flags win over the file that --settings names, wherever it stands among them.
Arguments ReadArguments(int argc, const char* const* argv);

}  // namespace mcv::trainer
