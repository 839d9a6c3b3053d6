// A conversation as a file that a person can read (Markdown) or a program (JSON).
#pragma once

#include <string>
#include <vector>

#include "apps/cli/commands/picture_loading.h"
#include "base/status.h"
#include "engine/session.h"

namespace mcv::cli {

// By the name's ending: .json, else Markdown. The file appears whole or not at all.
Status SaveTranscript(const std::string& path, const std::vector<Turn>& turns,
                      const std::vector<LoadedPicture>& pictures, const std::string& model);

}  // namespace mcv::cli
