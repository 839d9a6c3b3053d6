// A conversation as a file that a person can read (Markdown) or a program (JSON).
#pragma once

#include <string>
#include <vector>

#include "apps/cli/commands/picture_loading.h"
#include "base/status.h"
#include "engine/session.h"

namespace mcv::cli {

// What saving to `path` would write over.
enum class SaveTarget {
  kNothing,  // no file is there, or none that can be written over
  kFile,     // one that is not a picture: whoever saves has to say that it may go
  kPicture,  // nobody means to write over that
};
SaveTarget LookAtTarget(const std::string& path);

// By the name's ending: .json, else Markdown. The file appears whole or not at all, behind a link
// where the name is one, and only its owner may read it. Pictures are not written over.
Status SaveTranscript(const std::string& path, const std::vector<Turn>& turns,
                      const std::vector<LoadedPicture>& pictures, const std::string& model);

}  // namespace mcv::cli
