// The model that is built into the program, so that a single file answers questions.
#pragma once

#include "base/status.h"
#include "engine/engine.h"

namespace mcv::cli {

// Points the options at the built-in model; NotFound when the program was built without one.
Status UseBuiltInModel(EngineOptions* options);

}  // namespace mcv::cli
